// Makes tokens with Go's standard library.
//
//	go run make.go VARIANTS.tsv PRIVATE.pem PUBLIC.pem OUT-FOLDER
//
// A line of VARIANTS.tsv: name, header text, claims text, signature (es256, der, hs256, none), spelling (strict, padded,
// spaced, wrapped). Each token goes into a file of the variant's name.
package main

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	variants, privatePEM, publicPEM, out := read(os.Args[1]), read(os.Args[2]), read(os.Args[3]), os.Args[4]
	block, _ := pem.Decode(privatePEM)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(err)
	key := parsed.(*ecdsa.PrivateKey)
	for _, line := range strings.Split(strings.TrimSpace(string(variants)), "\n") {
		columns := strings.Split(line, "\t")
		name, header, claims, kind, spelling := columns[0], columns[1], columns[2], columns[3], columns[4]
		encoding := base64.RawURLEncoding
		if spelling == "padded" {
			encoding = base64.URLEncoding
		}
		payload := encoding.EncodeToString([]byte(claims))
		if spelling == "wrapped" {
			payload = regexp.MustCompile("(.{64})").ReplaceAllString(payload, "$1\n")
		}
		input := encoding.EncodeToString([]byte(header)) + "." + payload
		signature := encoding.EncodeToString(sign(kind, input, key, publicPEM))
		if spelling == "spaced" {
			signature = signature[:43] + " " + signature[43:]
		}
		must(os.WriteFile(filepath.Join(out, name), []byte(input+"."+signature), 0o644))
	}
}

func sign(kind, input string, key *ecdsa.PrivateKey, secret []byte) []byte {
	digest := sha256.Sum256([]byte(input))
	switch kind {
	case "es256":
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		must(err)
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return signature
	case "der":
		signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		must(err)
		return signature
	case "hs256":
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	default:
		return nil
	}
}

func read(file string) []byte {
	content, err := os.ReadFile(file)
	must(err)
	return content
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
