package vault

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/userapikey/service/shared/apikey"
)

// Remains is what the owner's secrets tell about the ring's keys, whatever the ring
// says. The list of secrets lags by minutes, so nothing may have changed in them
// for that long. A ring of another vault is an error: whatever was made later would
// not be found, and a key pass that is dead. Errors: unavailable.
func (v *Vault) Remains(ctx context.Context, ring apikey.Ring) (remains apikey.Remains, err error) {
	arns, beginning := map[string]bool{}, v.prefix+"/"+ring.Owner.Locator().String()+"/"
	if ring.SecretARN != "" {
		if !strings.Contains(ring.SecretARN, ":secret:"+beginning) {
			return apikey.Remains{}, errors.New("the ring's secret is not under " + v.prefix)
		}
		arns[ring.SecretARN] = true
	}
	for token, first := "", true; first || token != ""; first = false {
		var secrets []Secret
		if secrets, token, err = v.list(ctx, beginning, token); err != nil {
			return apikey.Remains{}, err
		}
		for _, secret := range secrets {
			arns[secret.ARN] = true
			if secret.ARN != ring.SecretARN {
				remains.Opened = append(remains.Opened, secret.KeyID)
			}
		}
	}
	for arn := range arns {
		out, err := v.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &arn})
		// Somebody may have deleted it with recovery: consumers cannot read it either.
		if isGone(err) || err == nil && out.DeletedDate != nil {
			continue
		}
		if err != nil {
			return apikey.Remains{}, unavailable(err)
		}
		addLabels(&remains, out.VersionIdsToStages, arn == ring.SecretARN)
	}
	return remains, nil
}

func addLabels(remains *apikey.Remains, labels map[string][]string, isNamed bool) {
	remains.HasSecret = remains.HasSecret || isNamed
	for version, stages := range labels {
		if len(stages) > 0 {
			remains.Labelled = append(remains.Labelled, version)
		}
		if isNamed && slices.Contains(stages, stageCurrent) {
			remains.Current = version
		}
		for _, label := range stages {
			if id, err := apikey.ParseUUID(label); err == nil {
				remains.Staged = append(remains.Staged, id)
			}
		}
	}
}
