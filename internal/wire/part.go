package wire

import (
	"net/http"
	"strconv"
)

// Part is the part of a list that a response contains. A nil Part means the whole
// list, and that the request asked for no part.
type Part struct {
	// Start is the index of the first element, Total the length of the whole list.
	Start, Total int
}

// The pagination headers of requests and responses.
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

// number reads a header or parameter that is a count. It returns -1 if it is missing.
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

// SetHeader sets the pagination headers of a response.
func (p *Part) SetHeader(h http.Header) {
	if p == nil {
		return
	}
	h.Set(containerStart, strconv.Itoa(p.Start))
	h.Set(containerTotal, strconv.Itoa(p.Total))
}

// partAttrs are the pagination attributes of a MediaContainer. They are absent without
// a Part.
type partAttrs struct {
	Offset    *int `xml:"offset,attr"`    // first element of the part
	TotalSize *int `xml:"totalSize,attr"` // elements of the whole list
}

func (p *Part) attrs() partAttrs {
	if p == nil {
		return partAttrs{}
	}
	return partAttrs{&p.Start, &p.Total}
}
