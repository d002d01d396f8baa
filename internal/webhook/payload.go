package webhook

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/device"
)

// The events. Media servers send the first. The second is an addition of usher.
const (
	newDevice = "device.new"
	signedIn  = "user.signin"
)

// message is the payload, in the shape of a media server's webhooks. Which keys
// device.new has is inferred; the others are documented. It contains no token.
type message struct {
	Event   string `json:"event"`
	User    bool   `json:"user"`  // it happened to the account whose webhook it is
	Owner   bool   `json:"owner"` // that account administers the server
	Account struct {
		ID    int64  `json:"id"`
		Thumb string `json:"thumb"`
		Title string `json:"title"`
	} `json:"Account"`
	Server struct {
		Title string `json:"title"`
		UUID  string `json:"uuid"`
	} `json:"Server"`
	Player struct {
		Local         bool   `json:"local"`
		PublicAddress string `json:"publicAddress"`
		Title         string `json:"title"`
		UUID          string `json:"uuid"`
	} `json:"Player"`
	// Usher is an addition. Receivers use the ID to detect a repeated request.
	Usher struct {
		ID string    `json:"id"`
		At time.Time `json:"at"`
	} `json:"Usher"`
}

// payload returns the payload of an event.
func (s *Service) payload(event, id string, at time.Time, a Subscriber, d device.Device) ([]byte, error) {
	m := message{Event: event, User: true, Owner: a.Admin}
	m.Account.ID, m.Account.Title = a.ID, a.Title
	m.Server.Title, m.Server.UUID = s.cfg.Server()
	m.Player.Title, m.Player.UUID, m.Player.PublicAddress = d.Label(), d.ClientIdentifier, d.Address
	m.Usher.ID, m.Usher.At = id, at.UTC()
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding a webhook: %w", err)
	}
	return text, nil
}
