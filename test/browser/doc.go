// Package browser holds no code of its own: its test walks through usher's
// pages in a real browser, Debian's Chromium.
//
// Each file of the stories folder is one story of a person, told in JavaScript
// with playwright-core; story.mjs has what they share, and watches that nothing
// is asked of another server and that no page breaks its own rules. Every page
// that a story looks at goes through axe-core, in light and in dark, and is
// left as pictures for a phone and a desktop in build/screenshots.
//
//	go test -tags browser -v ./test/browser
//	go test -tags browser -v ./test/browser -run 'TestStories/sign-in'
//
// It is behind a build tag because it needs node, npm and chromium and installs
// from npm. It does not skip: what is missing fails.
package browser
