// The browser's side of passkeys. Without JavaScript or WebAuthn, the buttons stay hidden.
"use strict";

// The texts are in the language of the page.
const said = document.currentScript.dataset;

if (window.PublicKeyCredential && navigator.credentials) {
	// An error with a text for the visitor.
	class Problem extends Error {}

	// WebAuthn takes bytes; JSON has them in base64url.
	const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
	const text = (buffer) => btoa(Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join(""))
		.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
	const described = (list) => (list || []).map((c) => ({ ...c, id: bytes(c.id) }));

	const ask = async (path, fields) => {
		const response = await fetch(document.documentElement.dataset.root + path, { method: "POST", body: new URLSearchParams(fields) });
		const json = (response.headers.get("Content-Type") || "").startsWith("application/json");
		if (!json) {
			if (response.redirected) location.assign(response.url); // the visitor was signed out
			throw new Problem(said.rejected);
		}
		const answer = await response.json();
		if (answer.problem) throw Object.assign(new Problem(answer.problem), { field: answer.field });
		return answer;
	};

	const message = (key, response) => JSON.stringify({
		id: key.id, rawId: text(key.rawId), type: key.type, response, clientExtensionResults: {},
		authenticatorAttachment: key.authenticatorAttachment || undefined,
	});

	const create = async ({ publicKey: options }) => {
		const key = await navigator.credentials.create({ publicKey: {
			...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) },
			excludeCredentials: described(options.excludeCredentials),
		} });
		return message(key, {
			clientDataJSON: text(key.response.clientDataJSON), attestationObject: text(key.response.attestationObject),
			transports: key.response.getTransports ? key.response.getTransports() : [],
		});
	};

	const get = async ({ publicKey: options }) => {
		const key = await navigator.credentials.get({ publicKey: {
			...options, challenge: bytes(options.challenge), allowCredentials: described(options.allowCredentials),
		} });
		return message(key, {
			clientDataJSON: text(key.response.clientDataJSON), authenticatorData: text(key.response.authenticatorData),
			signature: text(key.response.signature), userHandle: key.response.userHandle ? text(key.response.userHandle) : undefined,
		});
	};

	const words = { NotAllowedError: said.notAllowed, InvalidStateError: said.invalidState, SecurityError: said.security };

	// Shows what went wrong.
	const explain = (problem, error) => {
		problem.textContent = error instanceof Problem ? error.message : words[error.name] || said.other;
		problem.hidden = false;
		// The problem stands at its field, too, as on pages without a script.
		const form = problem.closest("form");
		const field = form && error.field && form.elements[error.field];
		if (!field || !problem.id) return;
		field.setAttribute("aria-invalid", "true");
		field.setAttribute("aria-describedby", problem.id);
		field.addEventListener("input", () => field.removeAttribute("aria-invalid"), { once: true });
		field.focus();
	};

	// Runs one ceremony with its button disabled, and shows what went wrong.
	const run = async (part, ceremony) => {
		const button = part.querySelector("button");
		const problem = part.querySelector("[role=alert]");
		button.disabled = true;
		problem.hidden = true;
		try {
			location.assign((await ceremony()).to);
		} catch (error) {
			explain(problem, error);
			button.disabled = false;
		}
	};

	const signIn = (part, path) => {
		part.querySelector("button").addEventListener("click", () => run(part, async () => {
			const answer = await get(await ask(path + "/challenge", {}));
			return ask(path, { answer, next: part.dataset.next });
		}));
		part.hidden = false;
	};

	for (const part of document.querySelectorAll("[data-passkey=sign-in]")) signIn(part, "/auth/passkey");
	for (const part of document.querySelectorAll("[data-passkey=second]")) signIn(part, "/auth/code/passkey");

	// A passkey for an account that is about to be made, with the name that was typed.
	for (const part of document.querySelectorAll("[data-passkey=join]")) {
		const name = document.getElementById(part.dataset.name);
		part.querySelector("button").addEventListener("click", () => {
			if (!name.reportValidity()) return;
			run(part, async () => {
				const username = name.value;
				const answer = await create(await ask("/invitation/passkey/challenge", { username }));
				return ask("/invitation/passkey", { username, answer });
			});
		});
		part.hidden = false;
	}

	// A passkey in place of those that were lost.
	for (const part of document.querySelectorAll("[data-passkey=reset]")) {
		part.querySelector("button").addEventListener("click", () => run(part, async () => {
			const answer = await create(await ask("/reset/passkey/challenge", {}));
			return ask("/reset/passkey", { answer });
		}));
		part.hidden = false;
	}

	// A passkey instead of a code of the second factor.
	const present = async () => get(await ask("/account/second-factor/challenge", {}));

	// A passkey instead of the password.
	const alone = async () => get(await ask("/account/confirm/challenge", {}));

	// Forms that take a code or a passkey, and those that take the password or a passkey: the passkey's answer is sent with
	// the form.
	for (const form of document.querySelectorAll("form[data-passkey=confirm], form[data-passkey=alone]")) {
		const instead = form.dataset.passkey === "alone";
		const button = form.querySelector("[data-passkey-ask]");
		const problem = form.querySelector("[role=alert]");
		button.addEventListener("click", async () => {
			if (!instead && !form.reportValidity()) return;
			button.disabled = true;
			problem.hidden = true;
			try {
				const answer = document.createElement("input");
				answer.type = "hidden";
				answer.name = "answer";
				answer.value = await (instead ? alone() : present());
				form.append(answer);
				form.submit();
			} catch (error) {
				explain(problem, error);
				button.disabled = false;
			}
		});
		form.querySelector("[data-passkey-or]").hidden = false;
	}
	for (const form of document.querySelectorAll("form[data-passkey=add]")) {
		form.addEventListener("submit", (event) => {
			event.preventDefault();
			run(form, async () => {
				const fields = {};
				if ("alone" in form.dataset) fields.answer = await alone();
				else fields.current = form.elements.current.value;
				const code = form.elements.code;
				if (code) fields.code = code.value;
				if (code && code.value === "" && "passkeyEmpty" in code.dataset) fields.answer = await present();
				const answer = await create(await ask("/account/passkeys/challenge", fields));
				return ask("/account/passkeys", { name: form.elements.name.value, answer });
			});
		});
		form.hidden = false;
	}
	for (const none of document.querySelectorAll("[data-passkey-none]")) none.hidden = true;
}
