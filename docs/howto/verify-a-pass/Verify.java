// Checks a pass of ActionPass with nothing but the JDK (17 or later) before the call that it permits is made. See
// README.md beside this file.
//
//   actionpass canon PAYLOAD.json > PAYLOAD.canonical
//   java Verify.java PASS.jwt KEYS.json PAYLOAD.canonical ISSUER AUDIENCE TENANT TOOL RESOURCE

import static java.nio.charset.StandardCharsets.UTF_8;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.AlgorithmParameters;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

public final class Verify {
    static final long LEEWAY = 30;
    static final long MAX_LIFETIME = 3600;

    /** What the executor is about to do. */
    record Call(String issuer, String audience, String tenant, String tool, String resource) {}

    /** The claims, if the pass permits the call with exactly these canonical payload bytes: execute them. */
    static Map<?, ?> verifyPass(String token, String jwks, byte[] payload, Call call) throws Exception {
        String[] parts = token.split("\\.", -1);
        check(parts.length == 3, "token_malformed");
        byte[][] decoded = new byte[3][];
        for (int i = 0; i < 3; i++) {
            decoded[i] = Base64.getUrlDecoder().decode(parts[i]);
            // Encoded again it must be the same text: the decoder takes padding and stray bits.
            String again = Base64.getUrlEncoder().withoutPadding().encodeToString(decoded[i]);
            check(again.equals(parts[i]), "token_malformed");
        }

        Map<?, ?> header = (Map<?, ?>) Json.parse(decoded[0]);
        check(header.keySet().equals(Set.of("alg", "kid", "typ")), "header_not_allowed");
        check("actionpass+jwt".equals(header.get("typ")), "type_mismatch");
        check("ES256".equals(header.get("alg")), "algorithm_mismatch");
        // The key comes from our own set, by `kid`; the token can't bring one. "P1363" is the form of JWS: r, then s.
        Signature signature = Signature.getInstance("SHA256withECDSAinP1363Format");
        signature.initVerify(findKey(jwks, (String) header.get("kid")));
        signature.update((parts[0] + "." + parts[1]).getBytes(UTF_8));
        check(decoded[2].length == 64 && signature.verify(decoded[2]), "signature_invalid");

        Map<?, ?> claims = (Map<?, ?>) Json.parse(decoded[1]);
        Set<String> members = Set.of("iss", "sub", "aud", "iat", "nbf", "exp", "jti", "actionpass");
        check(claims.keySet().equals(members), "claims_malformed");
        Map<?, ?> pass = (Map<?, ?>) claims.get("actionpass");
        long iat = (Long) claims.get("iat"), nbf = (Long) claims.get("nbf"), exp = (Long) claims.get("exp");
        long now = Instant.now().getEpochSecond();
        check(Long.valueOf(1).equals(pass.get("v")) && "rfc8785".equals(pass.get("canon")), "version_unsupported");
        check(call.issuer.equals(claims.get("iss")), "issuer_mismatch");
        check(call.audience.equals(claims.get("aud")), "audience_mismatch");
        check(call.tenant.equals(pass.get("tenant")), "tenant_mismatch");
        check(iat <= nbf && nbf < exp, "claims_malformed");
        check(iat <= now + LEEWAY && nbf <= now + LEEWAY, "not_yet_valid");
        check(now < exp + LEEWAY, "expired");
        check(exp - iat <= MAX_LIFETIME, "lifetime_too_long");
        check(call.tool.equals(pass.get("tool")), "tool_mismatch");
        check(call.resource.equals(pass.get("resource")), "resource_mismatch");
        check(List.of().equals(pass.get("obligations")), "obligation_unsupported"); // Or enforce every one of them.
        String hash = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(payload));
        check(("sha256:" + hash).equals(pass.get("payloadHash")), "payload_hash_mismatch");
        return claims;
    }

    /** A P-256 key out of a JWK set (RFC 7517). */
    static PublicKey findKey(String jwks, String kid) throws Exception {
        Map<?, ?> set = (Map<?, ?>) Json.parse(jwks.getBytes(UTF_8));
        for (Object entry : (List<?>) set.get("keys")) {
            Map<?, ?> jwk = (Map<?, ?>) entry;
            if (!kid.equals(jwk.get("kid")) || !"EC".equals(jwk.get("kty")) || !"P-256".equals(jwk.get("crv"))
                    || !"ES256".equals(jwk.get("alg")) || !"sig".equals(jwk.get("use"))) {
                continue;
            }
            AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
            curve.init(new ECGenParameterSpec("secp256r1"));
            ECPoint point = new ECPoint(coordinate(jwk, "x"), coordinate(jwk, "y"));
            ECParameterSpec parameters = curve.getParameterSpec(ECParameterSpec.class);
            return KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(point, parameters));
        }
        throw new IllegalArgumentException("key_unknown");
    }

    static BigInteger coordinate(Map<?, ?> jwk, String name) {
        return new BigInteger(1, Base64.getUrlDecoder().decode((String) jwk.get(name)));
    }

    static void check(boolean holds, String code) {
        if (!holds) {
            throw new IllegalArgumentException(code);
        }
    }

    public static void main(String[] args) throws Exception {
        String token = Files.readString(Path.of(args[0])).replaceFirst("\n$", "");
        String jwks = Files.readString(Path.of(args[1]));
        byte[] payload = Files.readAllBytes(Path.of(args[2]));
        try {
            Map<?, ?> claims = verifyPass(token, jwks, payload, new Call(args[3], args[4], args[5], args[6], args[7]));
            System.out.println("accepted: " + claims.get("jti"));
        } catch (Exception | StackOverflowError error) { // Whatever goes wrong, the answer is no.
            System.err.println("refused: " + error.getMessage());
            System.exit(1);
        }
    }

    /** JSON (RFC 8259) as maps, lists, strings, longs, booleans and null. Refuses fractions and repeated members. */
    static final class Json {
        private final String text;
        private int at;

        private Json(String text) {
            this.text = text;
        }

        static Object parse(byte[] bytes) throws Exception {
            Json json = new Json(UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString());
            Object value = json.value();
            check(json.at == json.text.length(), "json_malformed");
            return value;
        }

        private Object value() {
            Object value = switch (peek()) {
                case '{' -> object();
                case '[' -> array();
                case '"' -> string();
                case 't' -> word("true", true);
                case 'f' -> word("false", false);
                case 'n' -> word("null", null);
                default -> number();
            };
            peek();
            return value;
        }

        private Map<String, Object> object() {
            Map<String, Object> members = new LinkedHashMap<>();
            for (boolean more = open('}'); more; more = next('}')) {
                check(peek() == '"', "json_malformed");
                String name = string();
                check(peek() == ':' && !members.containsKey(name), "json_malformed");
                at++;
                members.put(name, value());
            }
            return members;
        }

        private List<Object> array() {
            List<Object> elements = new ArrayList<>();
            for (boolean more = open(']'); more; more = next(']')) {
                elements.add(value());
            }
            return elements;
        }

        private boolean open(char end) {
            at++;
            boolean empty = peek() == end;
            at += empty ? 1 : 0;
            return !empty;
        }

        private boolean next(char end) {
            char found = peek();
            check(found == ',' || found == end, "json_malformed");
            at++;
            return found == ',';
        }

        private String string() {
            StringBuilder string = new StringBuilder();
            for (at++; current() != '"'; at++) {
                char unit = current();
                check(unit >= ' ', "json_malformed");
                string.append(unit == '\\' ? escape() : unit);
            }
            at++;
            return string.toString();
        }

        private char escape() {
            at++;
            int index = "\"\\/bfnrt".indexOf(current());
            if (index >= 0) {
                return "\"\\/\b\f\n\r\t".charAt(index);
            }
            check(current() == 'u' && at + 5 <= text.length(), "json_malformed");
            at += 4;
            return (char) HexFormat.fromHexDigits(text, at - 3, at + 1);
        }

        private Long number() {
            int start = at;
            while (at < text.length() && "-0123456789".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
            String digits = text.substring(start, at);
            check(digits.matches("-?(0|[1-9][0-9]*)"), "json_malformed");
            return Long.valueOf(digits);
        }

        private Object word(String word, Object value) {
            check(text.startsWith(word, at), "json_malformed");
            at += word.length();
            return value;
        }

        /** The next character that isn't white space; a space at the end, which starts nothing. */
        private char peek() {
            while (at < text.length() && " \t\n\r".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
            return at < text.length() ? text.charAt(at) : ' ';
        }

        private char current() {
            check(at < text.length(), "json_malformed");
            return text.charAt(at);
        }
    }
}
