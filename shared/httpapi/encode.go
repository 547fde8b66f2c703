package httpapi

import (
	"net/http"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-json-experiment/json"
)

func standardHeaders(contentType string) map[string]string {
	return map[string]string{
		"Content-Type":           contentType,
		"Cache-Control":          "no-store",
		"X-Content-Type-Options": "nosniff",
	}
}

func encode(r Response) (events.APIGatewayProxyResponse, error) {
	if r.Status == http.StatusNoContent {
		headers := standardHeaders("")
		delete(headers, "Content-Type")
		return events.APIGatewayProxyResponse{StatusCode: r.Status, Headers: headers}, nil
	}
	body, err := json.Marshal(r.Body)
	if err != nil {
		return events.APIGatewayProxyResponse{}, err
	}
	headers := standardHeaders("application/json")
	if r.ETag != "" {
		headers["ETag"] = r.ETag
	}
	return events.APIGatewayProxyResponse{StatusCode: r.Status, Headers: headers, Body: string(body)}, nil
}

// ETag is the entity tag of a ring at a revision.
func ETag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }
