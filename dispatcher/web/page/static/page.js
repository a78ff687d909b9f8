// What htmx does not do by itself: no polling in a hidden tab, fields as buttons, drag and drop, upload progress.
(function () {
  "use strict";

  // A live part says in data-live after how many seconds it asks again; without it, no more. In a hidden tab it waits
  // until somebody looks. (htmx's own `load` comes once for an element, and a part that is morphed stays the same one.)
  var timers = {};
  function look(id) {
    var part = document.getElementById(id);
    if (!part || !part.hasAttribute("data-live")) return;
    if (!document.hidden) { htmx.trigger(part, "again"); return; }
    document.addEventListener("visibilitychange", function () { look(id); }, { once: true });
  }
  function plan(part, seconds) {
    clearTimeout(timers[part.id]);
    timers[part.id] = setTimeout(function () { look(part.id); }, 1000 * seconds);
  }
  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("[data-live]").forEach(function (part) { plan(part, part.getAttribute("data-live")); });
  });
  // After an answer, and after one that failed (the database is away, the network too): later.
  document.addEventListener("htmx:afterRequest", function (event) {
    var part = document.getElementById(event.detail.elt.id);
    if (!part || !part.hasAttribute("data-live")) return;
    plan(part, event.detail.successful ? part.getAttribute("data-live") : 10);
  });

  document.addEventListener("click", function (event) {
    var button = event.target.closest && event.target.closest("button[data-insert]");
    if (!button) return;
    var area = document.getElementById(button.getAttribute("data-into"));
    if (!area) return;
    event.preventDefault();
    var words = button.getAttribute("data-insert");
    area.setRangeText(words, area.selectionStart, area.selectionEnd, "end");
    area.focus();
    area.dispatchEvent(new Event("input", { bubbles: true }));
  });

  // A form that is on its way is not sent twice.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.method !== "post" || form.hasAttribute("data-again")) return;
    if (form.getAttribute("data-sent")) { event.preventDefault(); return; }
    form.setAttribute("data-sent", "1");
    setTimeout(function () { form.removeAttribute("data-sent"); }, 5000);
  });
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[data-sent]").forEach(function (form) { form.removeAttribute("data-sent"); });
  });

  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("[data-drop]").forEach(function (place) {
      var input = place.querySelector("input[type=file]");
      ["dragover", "dragenter"].forEach(function (name) {
        place.addEventListener(name, function (event) { event.preventDefault(); place.classList.add("over"); });
      });
      ["dragleave", "drop"].forEach(function (name) {
        place.addEventListener(name, function () { place.classList.remove("over"); });
      });
      place.addEventListener("drop", function (event) {
        event.preventDefault();
        if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
      });
    });
    document.querySelectorAll("form[data-upload]").forEach(function (form) {
      form.addEventListener("submit", function (event) {
        var bar = form.querySelector("progress");
        if (!bar || !window.XMLHttpRequest || event.defaultPrevented) return;
        event.preventDefault();
        bar.hidden = false;
        form.querySelectorAll("[data-kept], [data-broken]").forEach(function (words) { words.hidden = true; });
        // What was chosen and typed stays on the page; the token of a new session comes with the answer.
        function keep(words, answer) {
          bar.hidden = true; form.removeAttribute("data-sent");
          words.hidden = false;
          var fresh = new DOMParser().parseFromString(answer, "text/html").querySelector("input[name=csrf]");
          if (fresh) form.elements.csrf.value = fresh.value;
        }
        var request = new XMLHttpRequest();
        request.upload.addEventListener("progress", function (sent) {
          if (sent.lengthComputable) { bar.max = sent.total; bar.value = sent.loaded; }
        });
        request.addEventListener("load", function () {
          if (request.responseURL && request.status < 400) { location.assign(request.responseURL); return; }
          var kept = form.querySelector('[data-kept="' + request.status + '"]');
          if (kept) { keep(kept, request.responseText); return; }
          document.open(); document.write(request.responseText); document.close();
        });
        request.addEventListener("error", function () {
          bar.hidden = true; form.removeAttribute("data-sent");
          var broken = form.querySelector("[data-broken]");
          if (broken) broken.hidden = false;
        });
        request.open("POST", form.action);
        request.send(new FormData(form));
      });
    });
  });
})();
