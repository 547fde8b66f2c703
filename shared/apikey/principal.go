package apikey

import (
	"slices"
	"strings"
)

// Role is what a token says its bearer may do.
type Role string

// The roles that mean something here; any other permits nothing.
const (
	RoleAdministrator     Role = "Administrator"
	RoleAccountOwner      Role = "AccountOwner"
	RoleJobRunner         Role = "JobRunner"
	RolePlatformJobRunner Role = "PlatformJobRunner"
)

// Principal is the verified caller.
type Principal struct {
	Owner Owner
	Roles []Role
}

// RequireKeyManager lets pass who may view and change their own keys: the
// Administrator and the account owner.
func (p Principal) RequireKeyManager() error {
	return p.require(RoleAdministrator, RoleAccountOwner)
}

// RequireJobRunner lets pass who may ask for job authorizations.
func (p Principal) RequireJobRunner() error {
	return p.require(RoleJobRunner, RolePlatformJobRunner)
}

// MayAuthorizeEveryAccount tells whether jobs of accounts other than the
// principal's own are its business.
func (p Principal) MayAuthorizeEveryAccount() bool {
	return slices.Contains(p.Roles, RolePlatformJobRunner)
}

func (p Principal) require(anyOf ...Role) error {
	names := make([]string, len(anyOf))
	for i, role := range anyOf {
		if slices.Contains(p.Roles, role) {
			return nil
		}
		names[i] = string(role)
	}
	return refuse(CodeRoleRequired, "This needs the role "+strings.Join(names, " or ")+".")
}
