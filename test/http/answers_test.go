package http_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// cutPath splits the "path value" of an expectation.
func cutPath(rest string) (path, value string) {
	path, value, _ = strings.Cut(rest, " ")
	return path, strings.TrimSpace(value)
}

// decodeJSON decodes one JSON document with nothing after it. Numbers are kept as text.
func decodeJSON(text string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON document")
	}
	return v, nil
}

// lookupJSON returns the value at a path such as errors.0.code. The path "." is the whole
// document.
func lookupJSON(text, path string) (any, error) {
	v, err := decodeJSON(text)
	if err != nil || path == "." {
		return v, err
	}
	for key := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			var ok bool
			if v, ok = in[key]; !ok {
				return nil, fmt.Errorf("there is no key %s", key)
			}
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(in) {
				return nil, fmt.Errorf("there is no member %s", key)
			}
			v = in[i]
		default:
			return nil, fmt.Errorf("there is nothing below %v to have a %s", v, key)
		}
	}
	return v, nil
}

func expectJSON(text, rest string) error {
	path, value := cutPath(rest)
	got, err := lookupJSON(text, path)
	if err != nil {
		return err
	}
	want, err := decodeJSON(value)
	if err != nil {
		return fmt.Errorf("the expected value is %w", err)
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got %#v", got)
	}
	return nil
}

func matchJSON(text, rest string) error {
	path, pattern := cutPath(rest)
	got, err := lookupJSON(text, path)
	if err != nil {
		return err
	}
	return match(fmt.Sprint(got), pattern)
}

// match compares a whole text with the pattern of an expectation.
func match(got, pattern string) error {
	re, err := regexp.Compile("^(?:" + pattern + ")$")
	if err != nil {
		return err
	}
	if !re.MatchString(got) {
		return fmt.Errorf("got %q", got)
	}
	return nil
}

func expectKeys(text, rest string) error {
	path, keys := cutPath(rest)
	v, err := lookupJSON(text, path)
	if err != nil {
		return err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return errors.New("this is no object")
	}
	return sameNames(slices.Collect(maps.Keys(object)), strings.Fields(keys))
}

// sameNames reports missing and unexpected names.
func sameNames(got, want []string) error {
	var problems []string
	for _, name := range want {
		if !slices.Contains(got, name) {
			problems = append(problems, name+" is missing")
		}
	}
	for _, name := range got {
		if !slices.Contains(want, name) {
			problems = append(problems, name+" is there besides")
		}
	}
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, ", "))
	}
	return nil
}

func expectSize(text, rest string) error {
	path, size := cutPath(rest)
	v, err := lookupJSON(text, path)
	if err != nil {
		return err
	}
	got := -1
	switch v := v.(type) {
	case []any:
		got = len(v)
	case map[string]any:
		got = len(v)
	}
	if strconv.Itoa(got) != size {
		return fmt.Errorf("got %d members", got)
	}
	return nil
}

// element is an XML element with its contents.
type element struct {
	name     string
	attrs    map[string]string
	children []*element
	text     string
}

// decodeXML reads one XML document with a declaration, and nothing after it.
func decodeXML(text string) (*element, error) {
	if !strings.HasPrefix(text, "<?xml ") {
		return nil, errors.New("not XML with a declaration")
	}
	dec := xml.NewDecoder(bytes.NewReader([]byte(text)))
	document := &element{}
	open := []*element{document}
	for {
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("not XML: %w", err)
		}
		parent := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			e := &element{name: t.Name.Local, attrs: make(map[string]string)}
			for _, a := range t.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			parent.children = append(parent.children, e)
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			parent.text += string(t)
		}
	}
	if len(document.children) != 1 {
		return nil, errors.New("not one XML document")
	}
	return document, nil
}

var xmlStep = regexp.MustCompile(`^([\w-]+)(?:\[(\d+)\])?$`)

// findXML returns the elements at a path such as /a/b[2].
func findXML(text, path string) ([]*element, error) {
	document, err := decodeXML(text)
	if err != nil {
		return nil, err
	}
	found := []*element{document}
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		m := xmlStep.FindStringSubmatch(step)
		if m == nil {
			return nil, fmt.Errorf("the path has %q in it", step)
		}
		var next []*element
		for _, e := range found {
			for _, child := range e.children {
				if child.name == m[1] {
					next = append(next, child)
				}
			}
		}
		if m[2] != "" {
			i, _ := strconv.Atoi(m[2])
			if i < 1 || i > len(next) {
				return nil, fmt.Errorf("there is no %s", step)
			}
			next = next[i-1 : i]
		}
		found = next
	}
	return found, nil
}

// lookupXML returns an attribute of the first element at a path, or its text.
func lookupXML(text, path string) (string, error) {
	path, attribute, isAttribute := strings.Cut(path, "@")
	found, err := findXML(text, path)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("there is no %s", path)
	}
	if !isAttribute {
		return found[0].text, nil
	}
	value, ok := found[0].attrs[attribute]
	if !ok {
		return "", fmt.Errorf("there is no attribute %s", attribute)
	}
	return value, nil
}

func expectXML(text, rest string) error {
	path, want := cutPath(rest)
	got, err := lookupXML(text, path)
	if err == nil && got != want {
		err = fmt.Errorf("got %q", got)
	}
	return err
}

func matchXML(text, rest string) error {
	path, pattern := cutPath(rest)
	got, err := lookupXML(text, path)
	if err != nil {
		return err
	}
	return match(got, pattern)
}

func expectAttributes(text, rest string) error {
	path, names := cutPath(rest)
	found, err := findXML(text, path)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("there is no %s", path)
	}
	return sameNames(slices.Collect(maps.Keys(found[0].attrs)), strings.Fields(names))
}

func expectCount(text, rest string) error {
	path, want := cutPath(rest)
	found, err := findXML(text, path)
	if err == nil && strconv.Itoa(len(found)) != want {
		err = fmt.Errorf("got %d elements", len(found))
	}
	return err
}
