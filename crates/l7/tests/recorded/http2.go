// A server and a client of HTTP/2 without TLS, as `record.py` runs them:
//
//	http2 serve PORT
//	http2 ask PORT
//
// Besides pages there are calls as grpc-go says them: it has the same encoder of headers, which says
// by number whatever it said before.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

func message(text string) []byte {
	return append([]byte{0, 0, 0, 0, byte(len(text))}, text...)
}

func main() {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	if os.Args[1] == "serve" {
		server := http.Server{Addr: "127.0.0.1:" + os.Args[2], Protocols: &protocols, Handler: http.HandlerFunc(serve)}
		panic(server.ListenAndServe())
	}
	client := http.Client{Transport: &http.Transport{Protocols: &protocols, DisableCompression: true}}
	ask := func(ctx context.Context, method, path, kind string, body []byte) {
		request, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1:"+os.Args[2]+path, bytes.NewReader(body))
		if err != nil {
			panic(err)
		}
		request.Header.Set("User-Agent", "shop/1")
		request.Header.Set("Authorization", "Bearer hunter2")
		if kind != "" {
			request.Header.Set("Content-Type", kind)
			request.Header.Set("Te", "trailers")
		}
		if response, err := client.Do(request); err == nil {
			io.Copy(io.Discard, response.Body)
		}
	}
	all := context.Background()
	ask(all, "GET", "/users/17", "", nil)
	ask(all, "GET", "/users/18?token=hunter2", "", nil)
	ask(all, "PUT", "/users/18", "", bytes.Repeat([]byte("x"), 17000))
	for _, method := range []string{"Get", "Missing", "Get", "List"} {
		ask(all, "POST", "/shop.v1.Orders/"+method, "application/grpc", message("17"))
	}
	var together sync.WaitGroup
	for at := range 20 {
		together.Go(func() {
			ask(all, "POST", "/shop.v1.Orders/Get", "application/grpc", message(fmt.Sprint(at)))
		})
	}
	together.Wait()
	soon, cancel := context.WithTimeout(all, 100*time.Millisecond)
	defer cancel()
	ask(soon, "GET", "/waits", "", nil)
	ask(all, "DELETE", "/users/17", "", nil)
}

func serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch r.URL.Path {
	case "/waits":
		<-r.Context().Done()
	case "/shop.v1.Orders/Missing":
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "5")
		w.Header().Set("Grpc-Message", "no such order")
	case "/shop.v1.Orders/Get", "/shop.v1.Orders/List":
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
		for range len(r.URL.Path) - 18 {
			w.Write(message("order " + string(body[5:])))
			w.(http.Flusher).Flush()
		}
		w.Header().Set("Grpc-Status", "0")
		w.Header().Set("Grpc-Message", "")
	default:
		if r.Method == "DELETE" {
			w.WriteHeader(403)
		}
		fmt.Fprintf(w, "%d bytes", len(body))
	}
}
