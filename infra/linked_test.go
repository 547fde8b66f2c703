package infra_test

import (
	"debug/elf"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// program is what a function's binary has of the SDK and of the store. The linker
// leaves out every method that nothing which is linked can call, so what is not
// here cannot be called, whatever the input.
type program struct {
	// operations are calls of AWS, as "dynamodb.GetItem".
	operations map[string]bool
	// methods are the methods of the store.
	methods map[string]bool
}

// actionsOf are the actions that an operation needs. One that is not here needs
// the action of its own name.
var actionsOf = map[string][]string{
	"dynamodb.TransactGetItems": {"dynamodb:GetItem"},
	// Every transaction puts a ring and an event. What else some of them do,
	// mayBeWritten has.
	"dynamodb.TransactWriteItems": {"dynamodb:PutItem"},
	// The SDK's own, for the discovery of endpoints, which is off.
	"dynamodb.DescribeEndpoints": {},
}

// mayBeWritten are the actions that a transaction may need, as its items are.
// TestRolesPermitExactlyWhatFunctionsCall sees which function's do.
var mayBeWritten = []string{"dynamodb:ConditionCheckItem", "dynamodb:DeleteItem"}

// servicesOf are the names by which IAM knows some of the SDK's packages.
var servicesOf = map[string]string{"eventbridge": "events"}

// linkedOnly are the actions that a function does not need although its binary has
// the call, and why.
var linkedOnly = map[string]string{
	"authorizer dynamodb:Query":           "it comes with the type store.Store; no function of the authorizer calls it",
	"create dynamodb:Query":               "schedules are read before a rotation or deletion, runs before a deletion",
	"sweep secretsmanager:GetSecretValue": "an earlier answer is given again for an Idempotency-Key, and the clock sends none",
}

// indexReaders are the methods of the store that query an index.
var indexReaders = map[string]string{"AccountRings": "ByAccount", "DueRings": "ByDue"}

// The packaged template has these roles as they stand here: SAM adds policies only
// to roles that it makes itself.
func TestNoFunctionMayDoMoreThanItsBinaryCalls(t *testing.T) {
	programs := builtPrograms(t)
	permitted := permittedActions(t)
	needless := maps.Clone(linkedOnly)
	for function, p := range programs {
		called, possible := p.actions()
		if readsStream(loadResources(t)[functionID(function)]) {
			// Lambda reads the table's stream for it, in its name.
			called = append(called, "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams")
		}
		role := permitted[roleID(function)]
		if len(role) == 0 {
			t.Errorf("%s has no role", function)
		}
		for _, action := range role {
			if !slices.Contains(called, action) && !slices.Contains(possible, action) {
				t.Errorf("%s may do %s, and its binary has no such call", function, action)
			}
		}
		for _, action := range called {
			use := function + " " + action
			if slices.Contains(role, action) {
				continue
			}
			if linkedOnly[use] == "" {
				t.Errorf("%s has the call %s, and may not do it", function, action)
			}
			delete(needless, use)
		}
	}
	for use := range needless {
		t.Errorf("%s needs no exception", use)
	}
}

func TestRolesReachOnlyTheirOwnResources(t *testing.T) {
	programs := builtPrograms(t)
	for name, r := range loadResources(t) {
		function := strings.ToLower(strings.TrimSuffix(name, "Role"))
		p, ok := programs[function]
		if r.Type != "AWS::IAM::Role" || !ok {
			continue
		}
		var got []string
		for _, s := range r.permissions(t) {
			if s.Effect != "Allow" {
				t.Errorf("%s: a statement's effect is %q", name, s.Effect)
			}
			for _, action := range s.Action {
				got = append(got, reach(action, s))
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(p.reaches(function, r, t), got); diff != "" {
			t.Errorf("%s: should reach (-) and reaches (+): %s", name, diff)
		}
	}
}

// reach says what a statement lets an action do.
func reach(action string, s statement) string {
	text := action + " on " + s.Resource
	for operator, tests := range s.Condition {
		for key, value := range tests {
			text += fmt.Sprintf(", %s %s %s", operator, key, value)
		}
	}
	if s.OnlyIf != "" {
		text += ", if " + s.OnlyIf
	}
	return text
}

// reaches are all permissions that the function's role should have, as reach says
// them. The actions on data are those that it has: how many, another test sees.
func (p program) reaches(function string, r resource, t *testing.T) []string {
	logs := " on " + strings.TrimSuffix(functionID(function), "Function") + "LogGroup.Arn"
	want := []string{
		"logs:CreateLogStream" + logs, "logs:PutLogEvents" + logs,
		"xray:PutTelemetryRecords on *, if IsTraced", "xray:PutTraceSegments on *, if IsTraced",
		viaKMS("Decrypt", "dynamodb"),
	}
	queried := false
	for _, action := range slices.Compact(slices.Sorted(slices.Values(r.dataActions(t)))) {
		switch {
		case action == "secretsmanager:ListSecrets":
			want = append(want, action+" on *")
		case strings.HasPrefix(action, "secretsmanager:"):
			want = append(want, action+" on arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:user-api-key/${AWS::StackName}/*")
		case action == "events:PutEvents":
			want = append(want, action+" on Bus.Arn")
		case action == "sqs:SendMessage":
			want = append(want, action+" on RelayDeadLetters.Arn", viaKMS("Decrypt", "sqs"), viaKMS("GenerateDataKey", "sqs"))
		case strings.HasSuffix(action, "Stream") || strings.HasSuffix(action, "Streams") || action == "dynamodb:GetRecords" || action == "dynamodb:GetShardIterator":
			want = append(want, action+" on Table.StreamArn")
		default:
			want = append(want, action+" on Table.Arn")
			queried = queried || action == "dynamodb:Query"
		}
	}
	for method, index := range indexReaders {
		if p.methods[method] && queried {
			want = append(want, "dynamodb:Query on ${Table.Arn}/index/"+index)
		}
	}
	// A value is encrypted when it is put, and decrypted when it is read; labels are neither.
	if p.operations["secretsmanager.CreateSecret"] || p.operations["secretsmanager.PutSecretValue"] {
		want = append(want, viaKMS("Decrypt", "secretsmanager"), viaKMS("GenerateDataKey", "secretsmanager"))
	}
	return slices.Sorted(slices.Values(want))
}

func viaKMS(action, service string) string {
	return "kms:" + action + " on KmsKeyArn, StringEquals kms:ViaService " + service + ".${AWS::Region}.amazonaws.com, if HasKmsKey"
}

// Nothing adds to what the roles say.
func TestFunctionsHaveOneRoleEachAndNothingBesides(t *testing.T) {
	functions := 0
	for name, r := range loadResources(t) {
		switch r.Type {
		case "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy", "AWS::IAM::UserPolicy", "AWS::IAM::User":
			t.Errorf("%s is a %s", name, r.Type)
		case "AWS::Serverless::Function":
			functions++
			if want := strings.TrimSuffix(name, "Function") + "Role.Arn"; r.Properties.Role.Value != want {
				t.Errorf("%s has the role %q, not %s", name, r.Properties.Role.Value, want)
			}
			if !r.Properties.Policies.IsZero() {
				t.Errorf("%s has policies of its own", name)
			}
		case "AWS::IAM::Role":
			service := "lambda.amazonaws.com"
			if name == "AccountRole" { // API Gateway's, for access logs
				service = "apigateway.amazonaws.com"
			} else if len(r.Properties.ManagedPolicyArns) > 0 {
				t.Errorf("%s has managed policies", name)
			}
			for _, s := range r.Properties.AssumeRolePolicyDocument.Statement {
				principal := s.Principal["Service"]
				if len(s.Principal) != 1 || principal.Value != service {
					t.Errorf("%s can be taken by %v %s", name, slices.Collect(maps.Keys(s.Principal)), principal.Value)
				}
			}
		}
	}
	if built := len(builtPrograms(t)); functions != built {
		t.Errorf("the template has %d functions, and %d are built", functions, built)
	}
}

// actions are the actions that the linked operations need, and those that they may
// need besides.
func (p program) actions() (called, possible []string) {
	for operation := range p.operations {
		actions, special := actionsOf[operation]
		if !special {
			service, name, _ := strings.Cut(operation, ".")
			if known := servicesOf[service]; known != "" {
				service = known
			}
			actions = []string{service + ":" + name}
		}
		called = append(called, actions...)
		if operation == "dynamodb.TransactWriteItems" {
			possible = append(possible, mayBeWritten...)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(called))), possible
}

func readsStream(r resource) bool {
	for _, event := range r.Properties.Events {
		if event.Type == "DynamoDB" {
			return true
		}
	}
	return false
}

func functionID(function string) string {
	return strings.ToUpper(function[:1]) + function[1:] + "Function"
}

func roleID(function string) string { return strings.ToUpper(function[:1]) + function[1:] + "Role" }

var (
	operationSymbol = regexp.MustCompile(`^github\.com/aws/aws-sdk-go-v2/service/(\w+)\.\(\*Client\)\.([A-Z]\w*)$`)
	methodSymbol    = regexp.MustCompile(`^github\.com/userapikey/service/shared/store\.\(\*Store\)\.(\w+)$`)
	buildTags       = regexp.MustCompile(`(?m)^LAMBDA_BUILD := .* -tags (\S+) `)
)

var programs struct {
	sync.Mutex
	byFunction map[string]program
}

// builtPrograms builds every function as the Makefile does, but with its symbols.
func builtPrograms(t *testing.T) map[string]program {
	t.Helper()
	programs.Lock()
	defer programs.Unlock()
	if programs.byFunction != nil {
		return programs.byFunction
	}
	mains, err := filepath.Glob("../functions/*/bootstrap")
	if err != nil || len(mains) == 0 {
		t.Fatalf("there is nothing to build: %v", err)
	}
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	tags := buildTags.FindSubmatch(makefile)
	if tags == nil {
		t.Fatal("the Makefile does not say how functions are built")
	}
	found := map[string]program{}
	for _, main := range mains {
		function := filepath.Base(filepath.Dir(main))
		file := filepath.Join(t.TempDir(), function)
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-tags", string(tags[1]), "-o", file, "./"+main)
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH, "GOFLAGS=")
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", function, err, output)
		}
		found[function] = symbolsOf(t, file)
	}
	programs.byFunction = found
	return found
}

func symbolsOf(t *testing.T, path string) program {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	symbols, err := file.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	p := program{operations: map[string]bool{}, methods: map[string]bool{}}
	for _, symbol := range symbols {
		if match := operationSymbol.FindStringSubmatch(symbol.Name); len(match) == 3 && match[2] != "Options" {
			p.operations[match[1]+"."+match[2]] = true
		}
		if match := methodSymbol.FindStringSubmatch(symbol.Name); match != nil {
			p.methods[match[1]] = true
		}
	}
	return p
}
