"use strict";
// The script of the page: passkeys, the time that is left, and changes as they happen. No text of others becomes markup.
{
  const find = (id) => document.getElementById(id);
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const sha256 = (string) => crypto.subtle.digest("SHA-256", new TextEncoder().encode(string));
  // What was said stays as high as it was, so that nothing below moves.
  const say = (words, id = "note") => {
    const note = find(id);
    if (!note || note.textContent === words) return;
    if (id === "state") note.style.minHeight = `${note.offsetHeight}px`;
    note.textContent = words;
  };

  async function post(path, question) {
    const answer = await fetch(path, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(question),
      credentials: "same-origin", redirect: "error",
    });
    const body = answer.status === 204 ? {} : await answer.json();
    if (answer.ok) return body;
    const words = body.code === "signed_out" ? "You are not signed in any more: reload the page." : body.detail ?? body.title;
    throw Object.assign(new Error(words), { code: body.code });
  }

  // What went wrong, in words that help: the browser's own say little.
  const why = (error) => error.name === "NotAllowedError"
    ? "The passkey was not used: it was cancelled, took too long, or this device has none." : error.message;

  async function sign(challenge, allowCredentials) {
    const publicKey = { challenge, rpId: location.hostname, allowCredentials, userVerification: "required", timeout: 120000 };
    const { id, response } = await navigator.credentials.get({ publicKey });
    return { credential: id, parts: {
      authenticatorData: text(response.authenticatorData), clientDataJSON: text(response.clientDataJSON),
      signature: text(response.signature),
    } };
  }

  // A button that works once at a time, from when the script is there.
  function button(id, act) {
    const it = find(id);
    if (!it) return;
    it.disabled = it.hasAttribute("data-done");
    it.addEventListener("click", async () => {
      if (it.getAttribute("aria-disabled")) return;
      it.setAttribute("aria-disabled", "true");
      try { await act(); } catch (error) { say(why(error)); }
      it.removeAttribute("aria-disabled");
    });
  }

  button("enter", async () => {
    say("");
    const { challenge } = await post("/sign-in/challenge", {});
    const { credential, parts } = await sign(bytes(challenge), []);
    await post("/sign-in", { credential, ...parts });
    location.reload();
  });

  // Enrolment: the secret stands in the fragment, which no server is sent by itself.
  async function enrol() {
    const secret = location.hash.slice(1);
    if (!/^[0-9a-f]{64}$/.test(secret)) return say("This link is not whole. Open it again as it was sent to you.");
    let invited;
    try { invited = await post("/enrol/invitation", { secret }); } catch (error) {
      return say(error.code === "invitation_unknown"
        ? "This invitation is over, or was used. Ask whoever invited you for another; if you didn't use it, tell them so." : why(error));
    }
    say(`You are invited as ${invited.principal}, as ${invited.roles.join(" and ")}.`, "who");
    button("create", async () => {
      say("");
      const { response } = await navigator.credentials.create({ publicKey: {
        challenge: await sha256(`actionpass-register-v1\0${secret}`),
        rp: { id: location.hostname, name: "ActionPass" },
        user: { id: crypto.getRandomValues(new Uint8Array(16)), name: invited.principal, displayName: invited.principal },
        pubKeyCredParams: [{ type: "public-key", alg: -7 }, { type: "public-key", alg: -8 }], attestation: "none",
        authenticatorSelection: { residentKey: "required", userVerification: "required" },
      } });
      const { kid, code, command } = await post("/enrol", {
        secret, clientDataJSON: text(response.clientDataJSON), attestationObject: text(response.attestationObject),
      });
      history.replaceState(null, "", "/enrol");
      say(code, "code");
      say(command, "command");
      find("enrol").hidden = true;
      find("registered").hidden = false;
      find("registered").querySelector("h1").tabIndex = -1;
      find("registered").querySelector("h1").focus();
      const timer = setInterval(async () => {
        const answer = await fetch(`/enrol/${kid}`);
        if (answer.ok && (await answer.json()).confirmed) {
          clearInterval(timer);
          say("Confirmed. You can sign in now.", "confirmed");
        }
      }, 2000);
    });
  }
  if (find("enrol")) enrol();

  // One request. What is about to be signed is held against what stands on the page: the page is what the person read.
  const review = document.querySelector(".review");
  function check(input, kind, reason) {
    const [header, claims] = input.split(".").map((part) => JSON.parse(new TextDecoder().decode(bytes(part))));
    const { approval } = claims;
    const same = {
      kind: header.typ === `actionpass-${kind === "approve" ? "approval" : "refusal"}+webauthn`,
      person: claims.iss === review.dataset.person,
      request: approval.request === find("request-id").textContent,
      action: approval.actionHash === find("action-hash").textContent,
      payload: approval.payloadHash === find("payload-hash").textContent,
      view: approval.shown.hash === review.dataset.view,
      time: String(claims.exp) === review.dataset.exp,
      reason: approval.reason === reason,
    };
    const other = Object.keys(same).filter((name) => !same[name]);
    if (other.length) throw new Error(`Nothing was signed: what came to be signed is not what you see (${other.join(", ")}).`);
  }

  // What the reader did stands among the votes at once, as the page would have it when it is made again.
  function voted(kind) {
    const votes = find("votes");
    if (!votes.querySelector(".rule")) votes.textContent = "";
    const line = document.createElement("span");
    line.className = "rule";
    line.textContent = `${review.dataset.person} ${kind === "approve" ? "approved" : "declined"}, now`;
    votes.append(line);
  }

  async function decide(kind) {
    const words = find("reason").value.replace(/\s+/g, " ").trim();
    if (kind === "decline" && !words) {
      find("reason").focus();
      return say("Say why you decline: the agent gets to read it.");
    }
    say("Waiting for your passkey…");
    const path = `/requests/${review.dataset.request}`;
    const { ballot, input, credential } = await post(`${path}/ballot`, words ? { decision: kind, reason: words } : { decision: kind });
    check(input, kind, words || "approved");
    const { parts } = await sign(await sha256(input), [{ type: "public-key", id: bytes(credential) }]);
    const before = heard;
    const { state, text: outcome } = await post(`${path}/vote`, { ballot, ...parts });
    say(kind === "approve" ? "You approved." : "You declined.");
    voted(kind);
    // What was heard of meanwhile is newer than this answer may be: a call that waits goes on at once.
    if (heard === before) say(outcome, "state");
    if (kind === "approve") find("approve").disabled = true;
    if (kind === "decline" || !["pending", "approved"].includes(state)) close();
  }
  button("approve", () => decide("approve"));
  button("decline", () => decide("decline"));

  // Nothing is taken away: what can't be pressed any more stays where it is.
  function close(words) {
    for (const id of ["approve", "decline", "reason"]) if (find(id)) find(id).disabled = true;
    if (words) say(words);
  }

  // Time that is left, by this device's own steady clock: what was left when the page was made.
  const start = performance.now();
  const timers = [...document.querySelectorAll("[data-left]")];
  function tick() {
    for (const timer of timers) {
      const left = Math.max(0, Math.ceil(timer.dataset.left - (performance.now() - start) / 1000));
      const [hours, minutes, seconds] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
      timer.textContent = hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min ${seconds} s` : `${seconds} s`;
      if (left === 0 && timer.id === "left" && !timer.dataset.over) {
        timer.dataset.over = "";
        say("Expired: nobody decided in time.", "state");
        close("The time is over; nothing was signed.");
      }
    }
  }
  if (timers.length) { tick(); setInterval(tick, 1000); }

  // Changes, while somebody looks: a browser has few connections for all of its pages.
  const news = find("news");
  let stream;
  const fresh = new Set();
  let heard = 0;
  function changed({ id, text: outcome, open }) {
    if (review?.dataset.request === id) {
      heard += 1;
      say(outcome, "state");
      if (!open) close();
    } else if (news) {
      const item = document.querySelector(`li[data-request="${id}"] .state`);
      if (item) item.textContent = outcome;
      else if (open) { fresh.add(id); offer(`${fresh.size} new. `); }
    }
  }
  function offer(words) {
    const link = document.createElement("a");
    link.href = "/";
    link.textContent = "Show";
    news?.replaceChildren(words, link);
  }
  function listen() {
    stream?.close();
    stream = undefined;
    if (document.hidden || !(news || review)) return;
    stream = new EventSource(review ? `/live?request=${review.dataset.request}` : "/live");
    stream.addEventListener("waiting", (event) => {
      const { requests, whole } = JSON.parse(event.data);
      requests.forEach(changed);
      const waiting = new Set(requests.map(({ id }) => id));
      for (const item of document.querySelectorAll("li[data-request]")) {
        if (whole && !waiting.has(item.dataset.request)) item.querySelector(".state").textContent = "It doesn't wait any more.";
      }
    });
    stream.addEventListener("request", (event) => changed(JSON.parse(event.data)));
    stream.addEventListener("missed", () => offer("Much has changed. "));
  }
  document.addEventListener("visibilitychange", listen);
  listen();
}
