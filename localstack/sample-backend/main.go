// Command sample-backend is the function behind infra/protected-api.yaml: it
// answers with what API Gateway tells it of the caller, as the authorizer found it.
package main

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() { lambda.Start(answer) }

// answer takes the caller from the request's context, where only the gateway
// writes. Headers and parameters are the client's word.
func answer(_ context.Context, request events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	body, err := json.Marshal(map[string]any{"caller": request.RequestContext.Authorizer})
	return events.APIGatewayProxyResponse{
		StatusCode: http.StatusOK,
		Headers:    map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"},
		Body:       string(body),
	}, err
}
