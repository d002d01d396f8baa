package api

import (
	"context"
	"net/http"
	"time"

	openapi "github.com/usher-auth/usher/api"
	"github.com/usher-auth/usher/internal/wire"
)

// documentLife is how long the document may be cached. It changes with the
// program.
const documentLife = time.Hour

// document is the OpenAPI document of both planes.
func document(_ context.Context, c *call) (answer, error) {
	c.Format = wire.YAML
	return answer{status: http.StatusOK, body: wire.PlainText(openapi.OpenAPI()), life: documentLife}, nil
}
