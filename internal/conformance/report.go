package conformance

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// Document returns the table of checks in Markdown: a table for each group.
func Document() string {
	var b strings.Builder
	for _, group := range Groups() {
		fmt.Fprintf(&b, "\n### %s\n\n| check | the server's rule | writes | known from | how surely |\n|---|---|---|---|---|\n", group)
		for _, c := range Table() {
			if c.Group() == group {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", c.ID, c.Says, choose(c.Writes, "yes", ""), c.Source, c.Sure)
			}
		}
	}
	return b.String()
}

// The elements of a JUnit file, as far as CI systems read them.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Name    string       `xml:"name,attr"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string       `xml:"classname,attr"`
		Name    string       `xml:"name,attr"`
		Time    string       `xml:"time,attr"`
		Failure *junitReason `xml:"failure"`
		Error   *junitReason `xml:"error"`
		Skipped *junitReason `xml:"skipped"`
	}
	junitReason struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes results as a JUnit file, with a suite for each group. ended is why
// the run ended early: it is an error in a suite of its own, so that no CI system takes
// the file for that of a run in which nothing failed. It is nil if the run was complete.
func WriteJUnit(w io.Writer, results []Result, ended error) error {
	file := junitSuites{Name: "usher conformance"}
	for _, group := range Groups() {
		suite := junitSuite{Name: group}
		var took time.Duration
		for _, r := range results {
			if r.Group() != group {
				continue
			}
			suite.add(r)
			took += r.Took
		}
		suite.Time = seconds(took)
		if suite.Tests > 0 {
			file.Suites = append(file.Suites, suite)
		}
	}
	if ended != nil {
		one := junitCase{Class: "conformance", Name: "run", Time: seconds(0), Error: &junitReason{Message: ended.Error()}}
		file.Suites = append(file.Suites, junitSuite{Name: "run", Tests: 1, Errors: 1, Time: seconds(0), Cases: []junitCase{one}})
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(file); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// add adds a result to the suite.
func (s *junitSuite) add(r Result) {
	one := junitCase{Class: "conformance." + r.Group(), Name: r.ID, Time: seconds(r.Took)}
	reason := &junitReason{Message: r.Reason, Text: r.Says}
	s.Tests++
	switch r.Outcome {
	case Failed:
		one.Failure = reason
		s.Failures++
	case Skipped:
		one.Skipped = reason
		s.Skipped++
	}
	s.Cases = append(s.Cases, one)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
