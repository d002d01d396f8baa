// Conveniences. All pages work without this script.
"use strict";

// Programs open /auth with their parameters in the fragment, which browsers do not send to the server. A redirect keeps
// the fragment, so it can arrive at any page. "led" tells the server that the parameters are from outside; it is the first
// parameter, so that the fragment cannot remove it.
if (/^#!?\?/.test(location.hash)) {
	location.replace(document.documentElement.dataset.root + "/auth?led=1&" + location.hash.replace(/^#!?\?/, ""));
}

// The server writes times in UTC. Show all of them in the visitor's time zone, and name that where the page names UTC.
// Numbers without a name of a month keep the form that they have.
const inWords = (at) => at.toLocaleString(document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang, { dateStyle: "long", timeStyle: "short" });
const inNumbers = (at, text) => {
	const local = at.toLocaleString("sv-SE"); // 2026-01-31 16:05:00
	return text.length === 5 ? (text.includes(":") ? local.slice(11, 16) : local.slice(5, 10)) : local;
};
const local = (iso, text) => (/^[-:\d ]+( UTC)?$/.test(text) ? inNumbers(new Date(iso), text.replace(" UTC", "")) : inWords(new Date(iso)));
for (const time of document.querySelectorAll("time[datetime]")) time.textContent = local(time.dateTime, time.textContent);
for (const zone of document.querySelectorAll("[data-zone]")) zone.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const bar of document.querySelectorAll("[data-at]")) {
	const end = bar.textContent.lastIndexOf(": ");
	bar.textContent = local(bar.dataset.at, bar.textContent.slice(0, end)) + bar.textContent.slice(end);
}
for (const labelled of document.querySelectorAll("[data-label-at]")) {
	const { labelAt, labelText } = labelled.dataset;
	labelled.setAttribute("aria-label", labelled.getAttribute("aria-label").replace(labelText, local(labelAt, labelText)));
}

// What is typed into a form stays in this tab until the form is answered. If the visitor was signed out meanwhile, it is in the
// form again as soon as the same account is signed in. Passwords and codes are not kept.
const typedKey = "usher typed";
const account = document.documentElement.dataset.account;
const typedIn = (form) => [...form.elements].filter((field) => field.name && !/^(hidden|password|submit|button|file)$/.test(field.type) &&
	field.autocomplete !== "one-time-code" && !field.matches(".code, [data-boxes] *"));
const keepTyped = (form) => {
	const fields = typedIn(form).map(({ name, value, checked }) => ({ name, value, checked }));
	sessionStorage.setItem(typedKey, JSON.stringify({ account, action: form.getAttribute("action"), fields }));
};
const typeAgain = ({ action, fields }) => {
	const form = [...document.forms].find((f) => f.method === "post" && f.getAttribute("action") === action);
	if (!form || fields.length === 0) return;
	for (const field of typedIn(form)) {
		const box = /^(checkbox|radio)$/.test(field.type);
		const was = fields.find(({ name, value }) => name === field.name && (!box || value === field.value));
		if (was && box) field.checked = was.checked;
		else if (was) field.value = was.value;
		for (let part = field.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
	}
	document.querySelector("[data-typed]").hidden = false;
};
if (account) {
	const typed = JSON.parse(sessionStorage.getItem(typedKey));
	sessionStorage.removeItem(typedKey);
	if (typed && typed.account === account && document.getElementById("unsaved")) typeAgain(typed);
}
document.addEventListener("submit", ({ target }) => {
	if (account && target.method === "post") keepTyped(target);
});

// A form that is being answered is not sent again by a second click: it would add or revoke something twice.
document.addEventListener("submit", (event) => {
	if (event.defaultPrevented) return;
	if (event.target.dataset.sent) event.preventDefault();
	event.target.dataset.sent = "1";
	setTimeout(() => { delete event.target.dataset.sent; }, 5000);
});
addEventListener("pageshow", () => {
	for (const form of document.forms) delete form.dataset.sent;
});

// The boxes of a code: typing moves to the next box, Backspace to the previous one, and a pasted code fills all.
for (const boxes of document.querySelectorAll("[data-boxes]")) {
	const inputs = [...boxes.querySelectorAll("input")];
	const fill = (from, text) => {
		const letters = [...text.replace(/\s/g, "")];
		letters.slice(0, inputs.length - from).forEach((letter, i) => { inputs[from + i].value = letter; });
		inputs[Math.min(from + letters.length, inputs.length - 1)].focus();
	};
	inputs.forEach((input, i) => {
		input.addEventListener("input", () => {
			if (input.value) inputs[Math.min(i + 1, inputs.length - 1)].focus();
		});
		input.addEventListener("keydown", (event) => {
			if (event.key === "Backspace" && !input.value && i > 0) inputs[i - 1].focus();
		});
		input.addEventListener("focus", () => input.select());
		input.addEventListener("paste", (event) => {
			event.preventDefault();
			fill(i, event.clipboardData.getData("text"));
		});
	});
}

// Copying and printing take a script. What was copied is announced.
for (const button of document.querySelectorAll("[data-copy]")) {
	if (!navigator.clipboard) continue; // no https
	button.addEventListener("click", async () => {
		const parts = [...document.querySelectorAll(button.dataset.copy)].map((part) => part.textContent);
		await navigator.clipboard.writeText(parts.join("\n"));
		const copied = document.querySelector("[data-copied]");
		if (copied) {
			copied.classList.remove("unseen");
			copied.textContent = copied.dataset.copied;
		}
	});
	button.hidden = false;
}
for (const button of document.querySelectorAll("[data-print]")) {
	button.addEventListener("click", () => print());
	button.hidden = false;
}

// Escape hides the exact time that the focus shows.
document.addEventListener("keydown", (event) => {
	if (event.key === "Escape" && document.activeElement.matches(".when")) document.activeElement.blur();
});
