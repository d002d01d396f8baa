package cli

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	openapi "github.com/usher-auth/usher/api"
)

// inAdminAPI lists, for every command on the data folder and for every change on an admin
// page, the operations of the admin API that do the same. A value with a space is the
// reason why there is no such operation.
var inAdminAPI = map[string]string{
	"config check": "it reads the files and the environment of the machine",
	"webhook list": "the addresses are the member's own", "webhook secret": "it signs what the member's own programs get",
	"account reset-link": "adminMakeResetLink", "invite create": "adminMakeInvitation", "invite list": "adminListInvitations",
	"invite revoke": "adminRevokeInvitation", "server section add": "adminAddSection", "server section list": "adminListSections",
	"server section remove": "adminRemoveSection",
	"/admin/invitations":    "adminMakeInvitation", "/admin/invitations/{id}/revoke": "adminRevokeInvitation",
	"/admin/accounts/{id}/reset-link": "adminMakeResetLink",
	"serve":                           "it runs the server", "healthcheck": "it asks a server from outside", "doctor": "it looks at the machine, and at what the server cannot reach itself",
	"exec": "it runs a server in memory", "backup": "it writes a file on the machine", "restore": "it replaces the database of a stopped server",
	"migrate": "it moves the database of a stopped server", "new-key": "it replaces the key file of a stopped server",
	"admin-key create": "no key makes keys: one that leaked would outlive its revocation", "admin-key list": "keys are kept by people",
	"admin-key revoke": "keys are kept by people",

	"account add": "adminAddAccount", "account list": "adminListAccounts", "account show": "adminGetAccount",
	"account disable": "adminSetDisabled", "account enable": "adminSetDisabled", "account promote": "adminSetAdmin",
	"account demote": "adminSetAdmin", "account rename": "adminRenameAccount", "account set-email": "adminSetEmail",
	"account confirm-email": "adminConfirmEmail", "account set-password": "adminSetPassword", "account remove": "adminRemoveAccount",
	"account totp": "adminRemoveSecondFactor", // a link for a new one is a secret, which no response contains
	"account rule": "adminSetRules", "account admin-factor": "adminSetAdminFactor",
	"server add": "adminAddServer", "server list": "adminListServers", "server remove": "adminRemoveServer",
	"provider add": "adminAddProvider", "provider list": "adminListProviders", "provider remove": "adminRemoveProvider",
	"share add": "adminShare", "share list": "adminListShares", "share remove": "adminUnshare",
	"home list": "adminGetHome", "home add": "adminAddHomeUser", "home join": "adminJoinHome", "home rename": "adminRenameHomeUser",
	"home restrict": "adminRestrictHomeUser", "home promote": "adminSetHomeAdmin", "home demote": "adminSetHomeAdmin",
	"home set-pin": "adminSetHomePIN", "home clear-pin": "adminClearHomePIN", "home remove": "adminRemoveHomeUser",
	"device list": "adminListDevices", "device merge": "adminMergeDevice", "/admin/accounts/{id}/devices/{device}/merge": "adminMergeDevice",
	"token list": "adminListTokens", "token revoke": "adminRevokeToken",
	"token inspect":   "it reads a token that the caller has",
	"token transient": "it asks a server with a token, and the answer is a secret",
	"origin add":      "adminAllowOrigin", "origin list": "adminListOrigins", "origin remove": "adminRemoveOrigin",
	"audit list": "adminListEvents", "audit verify": "adminVerifyAudit",

	"/admin/accounts": "adminAddAccount", "/admin/accounts/{id}/disable": "adminSetDisabled", "/admin/accounts/{id}/enable": "adminSetDisabled",
	"/admin/accounts/{id}/email": "adminSetEmail", "/admin/accounts/{id}/email/confirm": "adminConfirmEmail",
	"/admin/accounts/{id}/rename": "adminRenameAccount", "/admin/accounts/{id}/promote": "adminSetAdmin",
	"/admin/accounts/{id}/rules": "adminSetRules", "/admin/accounts/admin-factor": "adminSetAdminFactor",
	"/admin/accounts/{id}/demote": "adminSetAdmin", "/admin/accounts/{id}/password": "adminSetPassword",
	"/admin/accounts/{id}/second-factor":             "the link that it shows is a secret, which no answer has",
	"/admin/accounts/{id}/second-factor/remove":      "adminRemoveSecondFactor",
	"/admin/accounts/{id}/passkeys/{passkey}/remove": "adminRemovePasskey", "/admin/accounts/{id}/sign-out": "adminSignOut",
	"/admin/accounts/{id}/remove": "adminRemoveAccount", "/admin/servers": "adminAddServer", "/admin/servers/remove": "adminRemoveServer",
	"/admin/shares": "adminShare", "/admin/shares/remove": "adminUnshare", "/admin/providers": "adminAddProvider",
	"/admin/providers/remove": "adminRemoveProvider", "/admin/tokens/{id}/revoke": "adminRevokeToken",
	"/admin/origins": "adminAllowOrigin", "/admin/origins/remove": "adminRemoveOrigin",
	"/admin/keys": "no key makes keys: one that leaked would outlive its revocation", "/admin/keys/{id}/revoke": "keys are kept by people",
}

// The admin API covers the commands and the pages for admins, or the list states the
// reason.
func TestAdminAPICoversCommands(t *testing.T) {
	operations := adminOperations(t)
	a := newApp(nil, nil, nil, func(string) (string, bool) { return "", false }, nil, "usher")
	a.root() // adds the flags
	var names []string
	for _, cmd := range a.serverSide() {
		names = append(names, leaves("", cmd)...)
	}
	pages, err := os.ReadFile("../web/testdata/pages.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(pages)) {
		if f := strings.Fields(line); f[0] == "POST" && strings.HasPrefix(f[1], "/admin/") {
			names = append(names, f[1])
		}
	}
	if len(names) < 60 {
		t.Errorf("only %d commands and pages were found", len(names))
	}
	for _, name := range names {
		same := inAdminAPI[name]
		if same == "" || !strings.Contains(same, " ") && !operations[same] {
			t.Errorf("%s: %q in inAdminAPI is neither an operation of api/openapi.yaml nor a reason", name, same)
		}
	}
	for name := range inAdminAPI {
		if !slices.Contains(names, name) {
			t.Errorf("there is no %s", name)
		}
	}
}

// leaves returns the commands below a command that have no subcommands.
func leaves(before string, cmd *cobra.Command) (names []string) {
	name := strings.TrimSpace(before + " " + cmd.Name())
	if !cmd.HasSubCommands() {
		return []string{name}
	}
	for _, sub := range cmd.Commands() {
		names = append(names, leaves(name, sub)...)
	}
	return names
}

// adminOperations are the IDs of the operations of the admin API.
func adminOperations(t *testing.T) map[string]bool {
	t.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			ID     string `yaml:"operationId"`
			Caller string `yaml:"x-caller"`
		}
	}
	if err := yaml.Unmarshal([]byte(openapi.OpenAPI()), &document); err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]bool)
	for _, methods := range document.Paths {
		for _, o := range methods {
			if o.Caller == "admin-key" {
				ids[o.ID] = true
			}
		}
	}
	return ids
}
