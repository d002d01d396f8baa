package plexauth

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Device is a program that holds a token of an account: an app on a phone, a
// media server, or this program. A field that the server omits has its zero
// value.
type Device struct {
	// ID identifies the device in requests. It is the argument of RemoveDevice,
	// and never 0 in a result of Devices.
	ID int64
	// Name is the name to display.
	Name string
	// Product is the name of the program.
	Product string
	// ProductVersion is the version of Product.
	ProductVersion string
	// Platform is the operating system or the environment.
	Platform string
	// PlatformVersion is the version of Platform.
	PlatformVersion string
	// Device is the type of the device.
	Device string
	// Model is the model of the device.
	Model string
	// Vendor is the manufacturer of the device.
	Vendor string
	// ClientIdentifier identifies the installation of the program. It equals
	// Client.ClientIdentifier for the device of this program.
	ClientIdentifier string
	// Provides are the roles of the device, such as "server" and "player".
	Provides []string
	// PublicAddress is the public IP address of the device.
	PublicAddress string
	// Token is the token of the device. Servers need not send it; usher never
	// does.
	Token Secret
	// CreatedAt is when the device was registered, in UTC, or zero.
	CreatedAt time.Time
	// LastSeenAt is when the device last used its token, in UTC, or zero.
	LastSeenAt time.Time
	// Connections are the known ways to reach the device, in the order of the
	// server. Most servers send only the URI of each. Those without an address
	// are omitted.
	Connections []Connection

	// raw may contain the token. See Account.raw.
	raw *[]byte
}

// Raw returns the element of the list as the server sent it, in JSON or XML, or
// nil for a Device that did not come from a server. Use it for values that have
// no field. It may contain the token. The caller must not modify it.
func (d *Device) Raw() []byte {
	if d.raw == nil {
		return nil
	}
	return *d.raw
}

// deviceDocument is the wire form of a device.
type deviceDocument struct {
	ID               number
	Name             text
	Product          text
	ProductVersion   text
	Platform         text
	PlatformVersion  text
	Device           text
	Model            text
	Vendor           text
	ClientIdentifier text
	Provides         text
	PublicAddress    text
	Token            text
	CreatedAt        timestamp
	LastSeenAt       timestamp
	Connection       list[connectionDocument]
}

// usable implements item.
func (d deviceDocument) usable() bool { return d.ID > 0 }

// deviceList is the form of a list of devices.
var deviceList = listForm{root: inContainer, element: "Device", mark: "publicAddress"}

// Devices returns the devices of the account, with the device of this program.
// An element without an ID is omitted; if that leaves nothing of the list, or if
// the response is not a list, the call fails with an *Error. Servers may reject
// transient tokens and the tokens of resources with ErrForbidden.
func (c *Client) Devices(ctx context.Context) ([]Device, error) {
	op := call{operation: "Devices", method: http.MethodGet, path: "/devices.xml"}
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	elements, err := readList[deviceDocument](res.body, deviceList)
	if err != nil {
		return nil, c.invalidResponse(op, res, err)
	}
	devices := make([]Device, 0, len(elements))
	for _, e := range elements {
		devices = append(devices, e.value.device(e.raw))
	}
	return devices, nil
}

// device returns the device of a document.
func (d *deviceDocument) device(raw []byte) Device {
	return Device{
		ID: int64(d.ID), Name: string(d.Name), Product: string(d.Product),
		ProductVersion: string(d.ProductVersion), Platform: string(d.Platform),
		PlatformVersion: string(d.PlatformVersion), Device: string(d.Device), Model: string(d.Model),
		Vendor: string(d.Vendor), ClientIdentifier: string(d.ClientIdentifier),
		Provides: splitRoles(d.Provides), PublicAddress: string(d.PublicAddress),
		Token: Secret(d.Token), CreatedAt: time.Time(d.CreatedAt), LastSeenAt: time.Time(d.LastSeenAt),
		Connections: connectionsOf(d.Connection), raw: &raw,
	}
}

// RemoveDevice removes the device with the given Device.ID from the account, and
// revokes its tokens. If it is the device of this program, Client.Token is
// rejected afterwards. The error is ErrNotFound if the account has no such
// device. An id that is not positive is an error of another type than *Error,
// and nothing is sent.
func (c *Client) RemoveDevice(ctx context.Context, id int64) error {
	if id <= 0 {
		return fmt.Errorf("plexauth: RemoveDevice: %d is not the id of a device", id)
	}
	return c.change(ctx, call{
		operation: "RemoveDevice", method: http.MethodDelete,
		path: "/devices/" + strconv.FormatInt(id, 10) + ".xml",
	})
}
