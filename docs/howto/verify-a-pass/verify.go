// Checks a pass of ActionPass with Go's standard library before the call that it permits is made. See README.md
// beside this file.
//
//	actionpass canon PAYLOAD.json > PAYLOAD.canonical
//	go run verify.go PASS.jwt KEYS.json PAYLOAD.canonical ISSUER AUDIENCE TENANT TOOL RESOURCE
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"time"
)

const (
	leeway      = 30
	maxLifetime = 3600
)

// Call is what the executor is about to do.
type Call struct{ Issuer, Audience, Tenant, Tool, Resource string }

// Claims are those of a pass. What it permits is read by exact names: a struct would take `Tool` for `tool`.
type Claims struct {
	Iss, Sub, Aud, Jti string
	Iat, Nbf, Exp      int64
	Actionpass         map[string]json.RawMessage
}

// VerifyPass gives the claims if the pass permits the call with exactly these canonical payload bytes: execute them.
func VerifyPass(token string, jwks, payload []byte, call Call) (*Claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("token_malformed")
	}
	var decoded [3][]byte
	for i, part := range parts {
		raw, err := base64.RawURLEncoding.DecodeString(part)
		// Encoded again it must be the same text: Go skips line breaks and takes stray bits.
		if err != nil || base64.RawURLEncoding.EncodeToString(raw) != part {
			return nil, errors.New("token_malformed")
		}
		decoded[i] = raw
	}

	var header map[string]string
	if json.Unmarshal(decoded[0], &header) != nil || !exactly(header, "alg", "kid", "typ") {
		return nil, errors.New("header_not_allowed")
	}
	if header["typ"] != "actionpass+jwt" {
		return nil, errors.New("type_mismatch")
	}
	if header["alg"] != "ES256" {
		return nil, errors.New("algorithm_mismatch")
	}
	// The key comes from our own set, by `kid`; the token can't bring one.
	key, err := findKey(jwks, header["kid"])
	if err != nil {
		return nil, err
	}
	signature := decoded[2]
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if len(signature) != 64 {
		return nil, errors.New("signature_invalid")
	}
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if !ecdsa.Verify(key, digest[:], r, s) {
		return nil, errors.New("signature_invalid")
	}

	var members map[string]json.RawMessage
	var claims Claims
	if json.Unmarshal(decoded[1], &members) != nil || json.Unmarshal(decoded[1], &claims) != nil ||
		!exactly(members, "iss", "sub", "aud", "iat", "nbf", "exp", "jti", "actionpass") {
		return nil, errors.New("claims_malformed")
	}
	now := time.Now().Unix()
	hash := fmt.Sprintf("sha256:%x", sha256.Sum256(payload))
	says := func(name, expected string) bool {
		var text string
		return json.Unmarshal(claims.Actionpass[name], &text) == nil && text == expected
	}
	for _, check := range []struct {
		holds bool
		code  string
	}{
		{string(claims.Actionpass["v"]) == "1" && says("canon", "rfc8785"), "version_unsupported"},
		{claims.Iss == call.Issuer, "issuer_mismatch"},
		{claims.Aud == call.Audience, "audience_mismatch"},
		{says("tenant", call.Tenant), "tenant_mismatch"},
		{claims.Iat <= claims.Nbf && claims.Nbf < claims.Exp, "claims_malformed"},
		{claims.Iat <= now+leeway && claims.Nbf <= now+leeway, "not_yet_valid"},
		{now < claims.Exp+leeway, "expired"},
		{claims.Exp-claims.Iat <= maxLifetime, "lifetime_too_long"},
		{says("tool", call.Tool), "tool_mismatch"},
		{says("resource", call.Resource), "resource_mismatch"},
		{string(claims.Actionpass["obligations"]) == "[]", "obligation_unsupported"}, // Or enforce every one of them.
		{says("payloadHash", hash), "payload_hash_mismatch"},
	} {
		if !check.holds {
			return nil, errors.New(check.code)
		}
	}
	return &claims, nil
}

// findKey finds a key in a JWK set (RFC 7517).
func findKey(jwks []byte, kid string) (*ecdsa.PublicKey, error) {
	var set struct {
		Keys []struct{ Kid, Kty, Crv, Alg, Use, X, Y string }
	}
	if err := json.Unmarshal(jwks, &set); err != nil {
		return nil, err
	}
	for _, key := range set.Keys {
		if key.Kid != kid || key.Kty != "EC" || key.Crv != "P-256" || key.Alg != "ES256" || key.Use != "sig" {
			continue
		}
		x, errX := base64.RawURLEncoding.DecodeString(key.X)
		y, errY := base64.RawURLEncoding.DecodeString(key.Y)
		public := &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
		if errX != nil || errY != nil || !public.Curve.IsOnCurve(public.X, public.Y) {
			return nil, errors.New("key_malformed")
		}
		return public, nil
	}
	return nil, errors.New("key_unknown")
}

// exactly says whether an object has these members and no other.
func exactly[V any](object map[string]V, names ...string) bool {
	for _, name := range names {
		if _, found := object[name]; !found {
			return false
		}
	}
	return len(object) == len(names)
}

func main() {
	if len(os.Args) != 9 {
		fmt.Fprintln(os.Stderr, "usage: verify PASS.jwt KEYS.json PAYLOAD.canonical ISSUER AUDIENCE TENANT TOOL RESOURCE")
		os.Exit(2)
	}
	var files [3][]byte
	for i := range files {
		content, err := os.ReadFile(os.Args[i+1])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		files[i] = content
	}
	token := string(bytes.TrimSuffix(files[0], []byte("\n")))
	call := Call{os.Args[4], os.Args[5], os.Args[6], os.Args[7], os.Args[8]}
	claims, err := VerifyPass(token, files[1], files[2], call)
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
	fmt.Println("accepted:", claims.Jti)
}
