"use strict";

const element = (id) => document.getElementById(id);

function add(parent, tag, text, className) {
  const child = document.createElement(tag);
  if (text !== undefined) child.textContent = text;
  if (className) child.className = className;
  parent.append(child);
  return child;
}

async function digestOf(file) {
  if (file.size > 256 * 1024 * 1024) throw new Error("the file is too large for this page: give its sha256sum");
  if (!crypto.subtle) throw new Error("this browser hashes on loopback and over TLS only: give the file's sha256sum");
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0"));
  return "sha256:" + hex.join("");
}

async function question() {
  const file = element("file").files[0];
  const digest = file ? await digestOf(file) : element("digest").value.trim();
  const request = {
    bundle: JSON.parse(element("bundle").value),
    artifact: { digest },
    trustedRoot: element("root").value,
  };
  const key = element("key").value.trim();
  if (key) {
    request.key = key;
  } else {
    request.identity = {
      certificateIdentity: element("identity").value.trim(),
      certificateOidcIssuer: element("issuer").value.trim(),
    };
  }
  return request;
}

function show(answer) {
  const place = element("answer");
  place.replaceChildren();
  add(place, "h2", answer.verified ? "Verified" : "Not verified", answer.verified ? "good" : "bad");
  for (const step of answer.report.steps) {
    const box = add(place, "div", undefined, "step " + step.outcome);
    add(box, "strong", step.name + ": " + step.outcome);
    for (const line of step.evidence) add(box, "div", line, "evidence");
    if (step.cause) add(box, "div", "cause: " + step.cause, "bad");
    if (step.cure) add(box, "div", "cure: " + step.cure);
  }
  const roots = answer.trustedRoots.map((root) => root.name + " (" + root.digest + ")");
  add(place, "p", "Trusted root " + roots.join(", ") + ", verified at " + answer.verifiedAt, "evidence");
}

function showError(text) {
  const place = element("answer");
  place.replaceChildren();
  add(place, "h2", "No verdict", "bad");
  add(place, "p", text);
}

element("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const body = JSON.stringify(await question());
    const headers = { "Content-Type": "application/json" };
    const response = await fetch("/api/v1/verify", { method: "POST", headers, body });
    const answer = await response.json();
    if (response.ok) show(answer);
    else showError((answer.field ? answer.field + ": " : "") + answer.message + "; " + answer.cure);
  } catch (error) {
    showError(error.message);
  }
});

async function fill() {
  const roots = await (await fetch("/api/v1/trusted-roots")).json();
  for (const root of roots.trustedRoots) {
    const option = add(element("root"), "option", root.name + (root.stale ? " (stale)" : ""));
    option.value = root.name;
    option.selected = root.name === "default";
  }
  const api = await (await fetch("/api/v1/openapi.json")).json();
  for (const [path, operations] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const row = add(element("operations"), "tr");
      add(add(row, "td"), "code", method.toUpperCase() + " " + path);
      add(row, "td", operation.summary || "");
    }
  }
}

fill().catch((error) => showError(error.message));
