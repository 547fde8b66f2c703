package sweep_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/userapikey/service/functions/sweep"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store/storetest"
)

// A sweep whose memory is measured runs in a process of its own, because the
// engines in memory grow with what is in them. These variables tell it where they
// are.
const (
	tableURL   = "SWEEP_TEST_TABLE_URL"
	secretsURL = "SWEEP_TEST_SECRETS_URL"
)

func TestMain(m *testing.M) {
	if os.Getenv(tableURL) == "" {
		os.Exit(m.Run())
	}
	if err := sweepAndMeasure(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// measured is what such a process answers.
type measured struct {
	Counts        sweep.Counts
	PeakHeapBytes uint64
	Took          time.Duration
}

// elsewhere sends calls to an engine in another process, and takes the heap's
// measure at each.
type elsewhere struct {
	url  string
	peak *atomic.Uint64
}

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	for bytes := heap[0].Value.Uint64(); ; {
		if before := e.peak.Load(); bytes <= before || e.peak.CompareAndSwap(before, bytes) {
			break
		}
	}
	r.URL.Host, r.Host = strings.TrimPrefix(e.url, "http://"), ""
	return http.DefaultTransport.RoundTrip(r)
}

func sweepAndMeasure() error {
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 100
	var peak atomic.Uint64
	w := &world{}
	p := w.startOn(ofDeployment, elsewhere{os.Getenv(tableURL), &peak}, elsewhere{os.Getenv(secretsURL), &peak}, unpaced)
	for _, transport := range []*awstest.Transport{p.table, p.secrets} {
		transport.SetFault(func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			transport.TakeCalls() // which it would remember
			return next()
		})
	}
	began := time.Now()
	counts, err := p.Handle(context.Background())
	if err != nil {
		return fmt.Errorf("%w\n%s", err, p.log)
	}
	return json.NewEncoder(os.Stdout).Encode(measured{counts, peak.Load(), time.Since(began)})
}

// The memory of a sweep does not grow with the number of owners, and its time no
// faster than that.
func TestTheMemoryOfASweepDoesNotGrowWithTheOwners(t *testing.T) {
	few, many := 200, 800
	if os.Getenv("PROOF") == "full" { // make prove
		few, many = 1000, 10_000
	}
	ofFew, ofMany := sweepOf(t, few), sweepOf(t, many)
	if ofMany.PeakHeapBytes > 2*ofFew.PeakHeapBytes {
		t.Errorf("the heap's peak went from %d to %d bytes", ofFew.PeakHeapBytes, ofMany.PeakHeapBytes)
	}
}

// sweepOf has a process sweep, in which so many keys are due.
func sweepOf(t *testing.T, due int) (result measured) {
	t.Helper()
	w := newWorld(t)
	w.fill(due)
	var environment []string
	for name, engine := range map[string]http.RoundTripper{tableURL: w.table, secretsURL: w.secrets} {
		server := httptest.NewServer(awstest.Handler(engine))
		t.Cleanup(server.Close)
		environment = append(environment, name+"="+server.URL)
	}
	executable, err := os.Executable()
	w.must(err)
	command := exec.CommandContext(t.Context(), executable)
	command.Env, command.Stderr = append(os.Environ(), environment...), os.Stderr
	answer, err := command.Output()
	w.must(err)
	w.must(json.Unmarshal(answer, &result))
	wantCounts(t, result.Counts, sweep.Counts{Rotated: int64(due)})
	t.Logf("proof: sweep: %d due keys rotated: peak of the heap %.1f MB, %v a key", due,
		float64(result.PeakHeapBytes)/(1<<20), (result.Took / time.Duration(due)).Round(10*time.Microsecond))
	return result
}

// fill makes so many users whose keys are due, all with the same key but for its
// owner: to make each by itself would take longer than to rotate it.
func (w *world) fill(users int) {
	w.t.Helper()
	first := userN(0)
	w.users.Now = func() time.Time { return time.Now().Add(-days(90)) }
	id := w.create(first).String()
	var ring string
	for _, it := range w.table.Items() {
		if strings.Contains(it, `"RING"`) {
			ring = it
		}
	}
	credential := w.secrets.Value(w.ring(first).SecretARN, id)
	var puts []types.TransactWriteItem
	for n := 1; n < users; n++ {
		owner := userN(n)
		name := strings.Join([]string{prefix, owner.Locator().String(), id}, "/")
		secret, err := w.secrets.Client().CreateSecret(w.t.Context(), &secretsmanager.CreateSecretInput{
			Name: &name, SecretString: &credential, ClientRequestToken: &id,
		})
		w.must(err)
		puts = append(puts, types.TransactWriteItem{Put: &types.Put{
			TableName: aws.String(storetest.Table), Item: attributesOf(w, renamed(ring, w.ring(first).SecretARN, *secret.ARN, first, owner)),
		}})
		if len(puts) == 100 || n == users-1 {
			_, err := w.table.Client().TransactWriteItems(w.t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: puts})
			w.must(err)
			puts = nil
		}
	}
	w.table.CatchUp()
}

// renamed is a ring's item as another owner's.
func renamed(ring, arn, newARN string, owner, other apikey.Owner) string {
	return strings.NewReplacer(
		arn, newARN, owner.Locator().String(), other.Locator().String(), owner.IAMID, other.IAMID,
	).Replace(ring)
}

// attributesOf reads DynamoDB's JSON.
func attributesOf(w *world, text string) map[string]types.AttributeValue {
	w.t.Helper()
	var attributes map[string]map[string]any
	w.must(json.Unmarshal([]byte(text), &attributes))
	decoded := map[string]types.AttributeValue{}
	for name, attribute := range attributes {
		decoded[name] = attributeOf(attribute)
	}
	return decoded
}

func attributeOf(attribute map[string]any) types.AttributeValue {
	for kind, value := range attribute {
		switch kind {
		case "S":
			return &types.AttributeValueMemberS{Value: value.(string)}
		case "N":
			return &types.AttributeValueMemberN{Value: value.(string)}
		case "BOOL":
			return &types.AttributeValueMemberBOOL{Value: value.(bool)}
		case "B":
			var bytes []byte
			if json.Unmarshal([]byte(`"`+value.(string)+`"`), &bytes) != nil {
				panic("not base64")
			}
			return &types.AttributeValueMemberB{Value: bytes}
		case "M":
			nested := map[string]types.AttributeValue{}
			for name, member := range value.(map[string]any) {
				nested[name] = attributeOf(member.(map[string]any))
			}
			return &types.AttributeValueMemberM{Value: nested}
		case "L":
			list := []types.AttributeValue{}
			for _, member := range value.([]any) {
				list = append(list, attributeOf(member.(map[string]any)))
			}
			return &types.AttributeValueMemberL{Value: list}
		}
	}
	panic(fmt.Sprintf("an attribute of another kind: %v", attribute))
}
