package web

import (
	"html"
	"html/template"
	"net/url"
	"slices"
	"strings"

	"github.com/usher-auth/usher/internal/fault"
)

// sent is a submitted form: its values and its problems. The data of a page with forms
// embeds it. The zero value is a page without a submitted form.
//
// A template gets one of its forms by the form's action, {{$f := .Form "/link"}}, and asks
// it for the attributes of each field and for {{wrong $f "code"}} below it. So every form
// keeps its values, marks the invalid fields, and shows the problem next to each. The
// summary at the top of the page links to the fields. A page may have many forms with
// fields of the same name: the values belong to the form with the submitted action.
type sent struct {
	action string
	values url.Values
	// field is the invalid field, or empty for none in particular.
	field string
	// problem is the problem, or empty.
	problem phrase
	// more has the problems of other fields.
	more []fieldProblem
}

// fieldProblem is the problem of a field.
type fieldProblem struct {
	field   string
	problem phrase
}

// rejected returns the form of a visit that failed with err. It returns false when
// err is nil or needs a page of its own.
func rejected(v *visit, err error) (sent, bool) {
	s := sent{action: v.URL.Path, values: v.PostForm}
	for _, found := range fault.All(err) {
		text, ok := problem(found)
		switch field := fieldOf(v.PostForm, found); {
		case !ok:
			return sent{}, false
		case s.problem.empty():
			s.field, s.problem = field, text
		case !s.Form(s.action).wrong(field): // one problem of a field is enough
			s.more = append(s.more, fieldProblem{field, text})
		}
	}
	return s, !s.problem.empty()
}

// otherNames are what forms call the fields that the domain's errors name.
var otherNames = map[string][]string{
	"password":           {"new"}, // next to the visitor's own, which is "current"
	"account":            {"account-name", "owner-name"},
	"restrictionProfile": {"restriction"},
	"urls[]":             {"url"},
}

// fieldOf returns the field of a form that an error is about. If empty, it is about none.
func fieldOf(values url.Values, err error) string {
	field := fault.FieldOf(err)
	for _, name := range append([]string{field}, otherNames[field]...) {
		if values.Has(name) {
			return name
		}
	}
	return ""
}

// Wrong is the summary of the form's problems for the top of the page. Its Text is empty if
// there are none.
func (s sent) Wrong() wrong {
	w := s.link(fieldProblem{s.field, s.problem})
	for _, other := range s.more {
		w.More = append(w.More, s.link(other))
	}
	return w
}

func (s sent) link(p fieldProblem) wrong {
	w := wrong{Text: p.problem}
	if p.field != "" {
		w.To = s.Form(s.action).ID(p.field)
	}
	return w
}

// wrong is a problem with a form, and the id of the field that it is about.
type wrong struct {
	Text phrase
	To   string
	// More are the problems with other fields.
	More []wrong
}

// Any reports whether there is a problem.
func (w wrong) Any() bool { return !w.Text.empty() }

// Form returns the form of the page that is sent to a path.
func (s sent) Form(action string) form {
	f := form{action: action}
	if s.action == action && !s.problem.empty() {
		f.sent = s
	}
	return f
}

// form is one form of a page.
type form struct {
	action string
	sent   sent
}

// Action is where the form is sent.
func (f form) Action() string { return f.action }

// Failed reports whether the page answers this form.
func (f form) Failed() bool { return !f.sent.problem.empty() }

// ID is the id of a field: no other form of the page has it.
func (f form) ID(field string) string {
	return strings.ReplaceAll(strings.Trim(f.action, "/"), "/", "-") + "-" + field
}

func (f form) wrong(field string) bool { return !f.problemOf(field).empty() }

// problemOf returns the problem of a field, or empty.
func (f form) problemOf(field string) phrase {
	if f.sent.field == field {
		return f.sent.problem
	}
	for _, other := range f.sent.more {
		if other.field == field {
			return other.problem
		}
	}
	return phrase{}
}

// Field returns the attributes of a field that does not show submitted values, such as a
// password or a code. about are the IDs of other elements that describe it.
func (f form) Field(field string, about ...string) template.HTMLAttr {
	text := `id="` + html.EscapeString(f.ID(field)) + `" name="` + html.EscapeString(field) + `"`
	if f.wrong(field) {
		about = append([]string{f.ID(field) + "-wrong"}, about...)
		text += ` aria-invalid="true"`
		if len(f.sent.more) == 0 { // else the summary has the focus
			text += " autofocus"
		}
	}
	if about = slices.DeleteFunc(about, func(id string) bool { return id == "" }); len(about) > 0 {
		text += ` aria-describedby="` + html.EscapeString(strings.Join(about, " ")) + `"`
	}
	return template.HTMLAttr(text)
}

// Text returns the attributes of a field with the submitted value or, if the form was not
// submitted, with value.
func (f form) Text(field, value string, about ...string) template.HTMLAttr {
	return f.Field(field, about...) +
		template.HTMLAttr(` value="`+html.EscapeString(f.Value(field, value))+`"`)
}

// Value is the submitted value or, if the form was not submitted, value.
func (f form) Value(field, value string) string {
	if f.Failed() {
		return f.sent.values.Get(field)
	}
	return value
}

// Check returns the attributes of a checkbox.
func (f form) Check(field string, checked bool) template.HTMLAttr {
	if f.Failed() {
		checked = f.sent.values.Get(field) != ""
	}
	text := template.HTMLAttr(`name="` + html.EscapeString(field) + `" type="checkbox" value="1"`)
	if checked {
		text += " checked"
	}
	return text
}

// problemTag returns the problem of a field, to show below it, or empty.
func (f form) problemTag(l *language, field string) template.HTML {
	if !f.wrong(field) {
		return ""
	}
	return template.HTML(`<p class="wrong" id="` + html.EscapeString(f.ID(field)) + `-wrong">` +
		html.EscapeString(f.problemOf(field).in(l)) + `</p>`)
}
