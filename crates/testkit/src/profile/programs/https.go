// Calls over TLS, both sides in Go.
//
//	serve PLACE h1|h2              writes its port to PLACE; its connections are wrapped for h1
//	call PORT COUNT LOG h1|h2 GO READY
//	                               makes calls and logs each; first asks for nothing until the file GO is there.
//	                               With READY this is made after the first of them, and they are on the
//	                               connections of all others
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	switch os.Args[1] {
	case "serve":
		serve(os.Args[2], os.Args[3] == "h2")
	case "call":
		call(os.Args[2], number(os.Args[3]), os.Args[4], os.Args[5] == "h2", os.Args[6], os.Args[7])
	}
}

// A listener whose connections are other ones around those of the system.
type wrapping struct{ net.Listener }

type wrapped struct {
	net.Conn
	closed bool
}

func (w wrapping) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &wrapped{Conn: conn}, nil
}

func serve(place string, http2 bool) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	port := listener.Addr().(*net.TCPAddr).Port
	if !http2 {
		listener = wrapping{listener}
	}
	server := &http.Server{Handler: http.HandlerFunc(answer), TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate()}}}
	server.Protocols = protocols(http2)
	// All of it or nothing, as somebody waits for it.
	must(os.WriteFile(place+".new", []byte(strconv.Itoa(port)), 0o644))
	must(os.Rename(place+".new", place))
	must(server.ServeTLS(listener, "", ""))
}

func answer(to http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	switch strings.Split(request.URL.Path, "/")[1] {
	case "missing":
		http.Error(to, "no", http.StatusNotFound)
	case "flow":
		to.Write(bytes.Repeat([]byte("a"), 3000))
		to.(http.Flusher).Flush()
		to.Write([]byte("b"))
	case "large":
		to.Write(bytes.Repeat([]byte("c"), 200_000))
	default:
		fmt.Fprintf(to, "came: %d", len(body))
	}
}

func call(port string, count int, log string, http2 bool, begin, ready string) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxConnsPerHost: 4}
	transport.Protocols = protocols(http2)
	late := ready != ""
	if late {
		transport.MaxIdleConnsPerHost = 4
	}
	client := &http.Client{Transport: transport}
	base := "https://127.0.0.1:" + port
	for begin != "" {
		if _, err := os.Stat(begin); err == nil {
			break
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				response, err := client.Get(base + "/warm")
				must(err)
				io.Copy(io.Discard, response.Body)
				response.Body.Close()
			})
		}
		all.Wait()
		if ready != "" {
			must(os.WriteFile(ready, nil, 0o644))
			ready = ""
		}
		time.Sleep(20 * time.Millisecond)
	}
	if !late {
		transport.CloseIdleConnections()
	}
	out, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	must(err)
	var all sync.WaitGroup
	var lock sync.Mutex
	numbers := make(chan int)
	for range 4 {
		all.Go(func() {
			for n := range numbers {
				line := one(client, base, n, number(port), http2)
				lock.Lock()
				out.Write(line)
				lock.Unlock()
			}
		})
	}
	for n := range count {
		numbers <- n
	}
	close(numbers)
	all.Wait()
}

func one(client *http.Client, base string, n, server int, http2 bool) []byte {
	kind := []string{"take", "missing", "flow", "take", "large"}[n%5]
	method, body := http.MethodGet, io.Reader(nil)
	if n%5 == 3 {
		method, body = http.MethodPost, strings.NewReader(strings.Repeat("d", 2000))
	}
	path := "/" + kind + "/" + word(n)
	request, err := http.NewRequest(method, base+path, body)
	must(err)
	port := 0
	trace := httptrace.ClientTrace{GotConn: func(it httptrace.GotConnInfo) { port = it.Conn.LocalAddr().(*net.TCPAddr).Port }}
	begun := time.Now()
	response, err := client.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), &trace)))
	must(err)
	if (response.ProtoMajor == 2) != http2 {
		must(fmt.Errorf("it speaks %s", response.Proto))
	}
	_, err = io.Copy(io.Discard, response.Body)
	must(err)
	response.Body.Close()
	line, err := json.Marshal(map[string]any{"call": map[string]any{
		"protocol": "http", "operation": method, "resource": path,
		"status": strconv.Itoa(response.StatusCode), "time": begun.UnixNano(), "latency": time.Since(begun).Nanoseconds(),
		"client": port, "server": server, "tls": true, "loose": true}})
	must(err)
	return append(line, '\n')
}

func protocols(http2 bool) *http.Protocols {
	var these http.Protocols
	these.SetHTTP1(!http2)
	these.SetHTTP2(http2)
	return &these
}

func certificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	about := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "here"}, NotAfter: time.Now().Add(time.Hour)}
	data, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	must(err)
	return tls.Certificate{Certificate: [][]byte{data}, PrivateKey: key}
}

// A number in letters, as the other drivers have it.
func word(n int) string {
	letters := ""
	for range 5 {
		letters = string("bcdfghjklmnpqrstvwxz"[n%20]) + letters
		n /= 20
	}
	return "q" + letters
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	must(err)
	return n
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
