// Tells the server the reader's time zone. The page that is shown now keeps its own, which it
// names; the next one is in the reader's.
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `desk_time_zone=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
})();
