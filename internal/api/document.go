package api

import (
	"context"
	"net/http"
	"time"

	openapi "github.com/usher-auth/usher/api"
	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/wire"
)

// documentLife is how long the document can be cached. It changes with the
// program.
const documentLife = time.Hour

// documentHandler serves the OpenAPI document of both planes.
type documentHandler struct{ text string }

func newDocumentHandler(publicURL string) documentHandler {
	return documentHandler{openapi.OpenAPIBelow(httpd.PathOf(publicURL))}
}

func (h documentHandler) show(_ context.Context, c *call) (answer, error) {
	c.Format = wire.YAML
	return answer{status: http.StatusOK, body: wire.PlainText(h.text), life: documentLife}, nil
}
