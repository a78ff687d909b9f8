// What htmx does not do by itself: no polling in a hidden tab, fields as buttons, drag and drop, upload progress.
(function () {
  "use strict";

  // A live part asks every few seconds: in a hidden tab it waits until somebody looks.
  document.addEventListener("htmx:beforeRequest", function (event) {
    var part = event.target;
    if (!document.hidden || !part.hasAttribute || !part.hasAttribute("data-live")) return;
    event.preventDefault();
    part.setAttribute("data-missed", "1");
  });
  document.addEventListener("visibilitychange", function () {
    if (document.hidden) return;
    document.querySelectorAll("[data-missed]").forEach(function (part) {
      part.removeAttribute("data-missed");
      htmx.trigger(part, "seen");
    });
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
        var request = new XMLHttpRequest();
        request.upload.addEventListener("progress", function (sent) {
          if (sent.lengthComputable) { bar.max = sent.total; bar.value = sent.loaded; }
        });
        request.addEventListener("load", function () {
          if (request.responseURL && request.status < 400) { location.assign(request.responseURL); return; }
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
