package exec_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// controlled calls the control API: method, path, body.
func controlled(args []string) error {
	req, err := http.NewRequest(args[0], os.Getenv("USHER_CONTROL")+args[1], strings.NewReader(args[2]))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+os.Getenv("USHER_CONTROL_TOKEN"))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Println(res.StatusCode, strings.TrimSpace(string(body)))
	return err
}

// The program controls the usher that it signs in to, in its own network as well.
// Nobody without the secret does.
func TestControl(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		const script = `set -e
			TOKEN=$USHER_ACCOUNT_MEMBER_TOKEN; export TOKEN
			"$0" control POST /clock '{"time": "2030-01-02T03:04:05Z", "frozen": true}'
			"$0" control POST /faults '{"fault": "bad-gateway", "times": 1}'
			"$0" get https://plex.tv/api/v2/user
			"$0" control DELETE /accounts/member/tokens ''
			"$0" get https://plex.tv/api/v2/user
			"$0" control POST /reset ''
			"$0" get https://plex.tv/api/v2/user
			USHER_CONTROL_TOKEN=another "$0" control POST /reset ''`
		run(t, "--mode", mode, "--", "sh", "-c", script, self).check(t, 0, []string{
			"200 {\"time\":\"2030-01-02T03:04:05Z\",\"frozen\":true}\n200 {\"id\":1}\n502 HTTP/2.0 <html>", "\n204 \n401 HTTP/2.0 ",
			"\n204 \n200 HTTP/2.0 {", "\n401 {\"error\":",
		}, nil)
	})
}

// Faults are of the program's own choice, in a flag and in a scene.
func TestFaultFlag(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		run(t, "--mode", mode, "--fault", "rate-limit,path=/api/v2/ping,times=1", "--fault", "empty,path=/api/v2/ping,times=1", "--",
			self, "get", "https://plex.tv/api/v2/ping", "https://plex.tv/identity", "https://plex.tv/api/v2/ping", "https://plex.tv/api/v2/ping").
			check(t, 0, []string{"429 HTTP/2.0 ", "\n200 HTTP/2.0 {", "\n200 HTTP/2.0 \n200 HTTP/2.0 "}, []string{"(3 × 200, 1 × 429)"})
		run(t, "--mode", mode, "--fault", "drop", "--", self, "get", "https://plex.tv/api/v2/ping").
			check(t, 1, nil, []string{"× no answer"})
	})
	run(t, "--fault", "emtpy", "--", "true").check(t, 2, nil, []string{`--fault emtpy: there is no fault "emtpy"; did you mean "empty"?`})
}
