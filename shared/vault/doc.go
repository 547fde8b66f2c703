// Package vault keeps key material in Secrets Manager: one secret per owner
// with keys, one version per key, the credential's text as its value.
//
// AWSCURRENT is on the Active key's version, so that consumers of the secret
// get the Active key under one ARN for as long as the owner has keys. The ring
// in the key store decides; the secret's stages follow it. Whatever a crash or
// a lost race leaves behind, [Vault.Repair] brings the secret to the ring.
package vault
