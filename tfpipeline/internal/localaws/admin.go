package localaws

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/localaws/balancer"
)

// admin answers what no AWS has, for tests and the curious:
//
//	GET  /_localaws/inventory      what exists, by kind (Inventory)
//	GET  /_localaws/balancers      where load balancers answer (Cloud.Balancers)
//	POST /_localaws/expire-images  apply the lifecycle policies now (ExpireImages)
func (e *Endpoint) admin(w http.ResponseWriter, r *http.Request) {
	var answer any
	var err error
	switch r.Method + " " + strings.TrimPrefix(r.URL.Path, adminPrefix) {
	case "GET inventory":
		answer, err = e.Inventory(r.Context())
	case "GET balancers":
		answer = []balancer.Address{}
		if e.balancers != nil {
			answer, err = e.balancers(r.Context())
		}
	case "POST expire-images":
		answer, err = e.ExpireImages(r.Context())
	default:
		http.Error(w, "no such thing: GET "+adminPrefix+"inventory, GET "+adminPrefix+"balancers, POST "+adminPrefix+"expire-images", http.StatusNotFound)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	_ = out.Encode(answer) // the client has gone: nobody to tell
}
