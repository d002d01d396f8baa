package wire

import (
	"net/http"
	"strconv"
)

// Part says which part of a list an answer holds. A nil one means all of it,
// and that nobody asked for less.
type Part struct {
	// Start is the place of the first element; Total is how many there are.
	Start, Total int
}

// Headers of paging, in requests and in answers.
const (
	containerStart = "X-Plex-Container-Start"
	containerSize  = "X-Plex-Container-Size"
	containerTotal = "X-Plex-Container-Total-Size"
)

// Cut returns the part of a list that a request asks for, by header or parameter:
// from X-Plex-Container-Start on, X-Plex-Container-Size of them. A size of 0
// asks for the total only. The error's kind is fault.Invalid.
func Cut[T any](r *http.Request, params Params, list []T) ([]T, *Part, error) {
	start, err := number(r, params, containerStart)
	if err != nil {
		return nil, nil, err
	}
	size, err := number(r, params, containerSize)
	if err != nil || start < 0 && size < 0 {
		return list, nil, err
	}
	part := &Part{Start: min(max(start, 0), len(list)), Total: len(list)}
	list = list[part.Start:]
	if size >= 0 {
		list = list[:min(size, len(list))]
	}
	return list, part, nil
}

// number reads a header or parameter that counts something; -1 without one.
func number(r *http.Request, params Params, name string) (int, error) {
	text, err := field(r, params, name, maxIdentity)
	if err != nil || text == "" {
		return -1, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, malformed(name, "is not a number from 0 on")
	}
	return n, nil
}

// SetHeader says in an answer's headers which part it holds.
func (p *Part) SetHeader(h http.Header) {
	if p == nil {
		return
	}
	h.Set(containerStart, strconv.Itoa(p.Start))
	h.Set(containerTotal, strconv.Itoa(p.Total))
}

// partAttrs are a MediaContainer's attributes of paging, absent without.
type partAttrs struct {
	Offset    *int `xml:"offset,attr"`
	TotalSize *int `xml:"totalSize,attr"`
}

func (p *Part) attrs() partAttrs {
	if p == nil {
		return partAttrs{}
	}
	return partAttrs{&p.Start, &p.Total}
}
