// Tells the server the reader's time zone. The page that is shown now keeps its own, which it
// names; the next one is in the reader's.
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone) return;
  // Over HTTPS under a name that no other host can set.
  const [prefix, secure] = location.protocol === "https:" ? ["__Host-", "; Secure"] : ["", ""];
  const cookie = `${prefix}desk_time_zone=${zone}`;
  document.cookie = `${cookie}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
})();
