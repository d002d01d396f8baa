// What makes the pages a little better. Everything but passkeys works without it.
"use strict";

// Programs open /auth with their parameters in the fragment, which a server never sees. Browsers keep the fragment when
// they are sent on: whoever is signed in, or half-way, finds it on another page. "led" stands first, where nothing in
// the fragment takes it away: it says that the rest is none of ours.
if (/^#!?\?/.test(location.hash)) {
	location.replace("/auth?led=1&" + location.hash.replace(/^#!?\?/, ""));
}

// Times are in UTC, and say so, until here, where the reader's zone is known.
for (const time of document.querySelectorAll("time[datetime]")) {
	if (time.textContent.endsWith(" UTC")) time.textContent = new Date(time.dateTime).toLocaleString("en-GB", { dateStyle: "long", timeStyle: "short" });
}

// The boxes of a code: typing goes on to the next, Backspace back, and a pasted code fills all.
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
