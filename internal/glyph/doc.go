// Package glyph knows what a text looks like to a person.
//
// It owns the two questions that Unicode leaves to programs: which texts look
// alike (UTS #39), and which characters are not seen at all. It does not own
// the rules for names or what is shown where: it knows neither accounts nor
// pages.
package glyph
