package api

import (
	"sync"
	"time"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/qrcode"
)

// Limits of pictures. A picture has about one kilobyte.
const (
	maxPictures   = 1024
	pictureBurst  = 120
	pictureRefill = time.Second
)

var errPictures = fault.New(fault.Limited, "too many QR codes from this address")

// pictures generates QR codes for anyone. Generating one takes some milliseconds of
// processor time, so it caches generated codes, and limits per network how
// many others it generates. It is safe for concurrent use.
type pictures struct {
	byAddress guard.Failures
	now       func() time.Time

	mu    sync.Mutex
	drawn map[string][]byte
}

func newPictures(now func() time.Time) *pictures {
	return &pictures{byAddress: guard.Failures{Burst: pictureBurst, Refill: pictureRefill}, now: now}
}

// draw returns a text as a PNG, for a request from address. fault.Limited,
// *qrcode.TooLongError.
func (p *pictures) draw(address, text string) ([]byte, error) {
	p.mu.Lock()
	picture, ok := p.drawn[text]
	p.mu.Unlock()
	if ok {
		return picture, nil
	}
	if wait := p.byAddress.Take(guard.Network(address), p.now()); wait > 0 {
		return nil, fault.WithWait(errPictures, wait)
	}
	picture, err := qrcode.PNG(text)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn == nil || len(p.drawn) >= maxPictures {
		p.drawn = make(map[string][]byte) // a picture that is still shown is generated again
	}
	p.drawn[text] = picture
	return picture, nil
}
