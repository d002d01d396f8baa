// Package browser contains only a test, which visits usher's pages with a real browser,
// Debian's Chromium.
//
// Each file of the stories folder is one user story, written in JavaScript with
// playwright-core. story.mjs has the shared code. It checks that no request goes to
// another server and that no page violates its own policy. Every page of a story is
// checked with axe-core, in light and in dark mode, and saved as screenshots for a
// phone and a desktop in build/screenshots.
//
//	go test -tags browser -v ./test/browser
//	go test -tags browser -v ./test/browser -run 'TestStories/sign-in'
//
// It has a build tag because it needs node, npm and chromium and installs from npm.
// It does not skip: a missing program is a failure.
package browser
