// Sends the reader's time zone to the server in a cookie. It applies from the next page on.
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone) return;
  // Over HTTPS, the __Host- prefix keeps other hosts from setting the cookie.
  const [prefix, secure] = location.protocol === "https:" ? ["__Host-", "; Secure"] : ["", ""];
  const cookie = `${prefix}desk_time_zone=${zone}`;
  document.cookie = `${cookie}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
})();
