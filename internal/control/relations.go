package control

import (
	"context"
	"net/http"
	"strconv"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/stage"
)

func (a *api) addToHome(r *http.Request) (any, error) {
	var in struct {
		Username  string `json:"username"`
		HomeAdmin bool   `json:"homeAdmin"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if err := required("username", in.Username); err != nil {
		return nil, err
	}
	return nil, a.AddToHome(r.Context(), r.PathValue("owner"), in.Username, in.HomeAdmin)
}

func (a *api) removeFromHome(r *http.Request) (any, error) {
	return nil, a.RemoveFromHome(r.Context(), r.PathValue("owner"), r.PathValue("username"))
}

func (a *api) servers(r *http.Request) (any, error) {
	servers, err := a.Servers(r.Context())
	if err != nil {
		return nil, err
	}
	list := []scene.FileSource{}
	for _, src := range servers {
		list = append(list, scene.SourceInFile(src))
	}
	return list, nil
}

func (a *api) addServer(r *http.Request) (any, error) {
	var in scene.FileSource
	if err := read(r, &in); err != nil {
		return nil, err
	}
	added, err := a.AddServer(r.Context(), in.Source(source.Server))
	if err != nil {
		return nil, err
	}
	return scene.SourceInFile(added), nil
}

func (a *api) removeServer(r *http.Request) (any, error) {
	return nil, a.RemoveServer(r.Context(), r.PathValue("id"))
}

func (a *api) shares(r *http.Request) (any, error) {
	shares, err := a.Shares(r.Context())
	if err != nil {
		return nil, err
	}
	list := []scene.FileShare{}
	for _, h := range shares {
		list = append(list, scene.FileShare(h))
	}
	return list, nil
}

func (a *api) addShare(r *http.Request) (any, error) {
	var in scene.FileShare
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if err := required("server", in.Server); err != nil {
		return nil, err
	}
	if err := required("with", in.With); err != nil {
		return nil, err
	}
	return nil, a.AddShare(r.Context(), scene.Share(in))
}

func (a *api) removeShare(r *http.Request) (any, error) {
	return nil, a.RemoveShare(r.Context(), r.PathValue("server"), r.PathValue("username"))
}

func (a *api) befriend(r *http.Request) (any, error) {
	var pair []string
	if err := read(r, &pair); err != nil {
		return nil, err
	}
	if len(pair) != 2 {
		return nil, fault.Invalidf("body", "the body is not a list of two usernames")
	}
	return nil, a.Befriend(r.Context(), pair[0], pair[1])
}

func (a *api) unfriend(r *http.Request) (any, error) {
	return nil, a.Unfriend(r.Context(), r.PathValue("username"), r.PathValue("friend"))
}

// invitation is the wire form of an invitation.
type invitation struct {
	ID int64 `json:"id"`
	scene.FileInvitation
}

func newInvitation(i stage.Invitation) invitation {
	return invitation{i.ID, scene.FileInvitation(i.Invitation)}
}

func (a *api) invitations(r *http.Request) (any, error) {
	waiting, err := a.Invitations(r.Context())
	if err != nil {
		return nil, err
	}
	list := []invitation{}
	for _, i := range waiting {
		list = append(list, newInvitation(i))
	}
	return list, nil
}

func (a *api) invite(r *http.Request) (any, error) {
	var in scene.FileInvitation
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if err := required("from", in.From); err != nil {
		return nil, err
	}
	if err := required("to", in.To); err != nil {
		return nil, err
	}
	sent, err := a.Invite(r.Context(), scene.Invitation(in))
	if err != nil {
		return nil, err
	}
	return newInvitation(sent), nil
}

func (a *api) acceptInvitation(r *http.Request) (any, error) {
	return nil, answerInvitation(r, a.AcceptInvitation)
}

func (a *api) endInvitation(r *http.Request) (any, error) {
	return nil, answerInvitation(r, a.EndInvitation)
}

// answerInvitation calls f with the id of the invitation in the path.
func answerInvitation(r *http.Request, f func(context.Context, int64) error) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return fault.Invalidf("id", "the id of an invitation is a number")
	}
	return f(r.Context(), id)
}
