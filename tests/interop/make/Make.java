// Makes tokens with nothing but the JDK (17 or later).
//
//   java Make.java VARIANTS.tsv PRIVATE.pem PUBLIC.pem OUT-FOLDER
//
// A line of VARIANTS.tsv: name, header text, claims text, signature (es256, der, hs256, none), spelling (strict, padded,
// spaced, wrapped). Each token goes into a file of the variant's name.

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public final class Make {
    public static void main(String[] args) throws Exception {
        String pem = Files.readString(Path.of(args[1])).replaceAll("-----[A-Z ]+-----", "");
        PKCS8EncodedKeySpec pkcs8 = new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(pem));
        PrivateKey key = KeyFactory.getInstance("EC").generatePrivate(pkcs8);
        byte[] secret = Files.readAllBytes(Path.of(args[2]));
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            String[] columns = line.split("\t");
            String spelling = columns[4];
            Base64.Encoder padded = Base64.getUrlEncoder();
            Base64.Encoder encoder = spelling.equals("padded") ? padded : padded.withoutPadding();
            String payload = encoder.encodeToString(columns[2].getBytes(UTF_8));
            if (spelling.equals("wrapped")) {
                payload = payload.replaceAll("(.{64})", "$1\n");
            }
            String input = encoder.encodeToString(columns[1].getBytes(UTF_8)) + "." + payload;
            String signature = encoder.encodeToString(sign(columns[3], input.getBytes(UTF_8), key, secret));
            if (spelling.equals("spaced")) {
                signature = signature.substring(0, 43) + " " + signature.substring(43);
            }
            Files.writeString(Path.of(args[3], columns[0]), input + "." + signature);
        }
    }

    static byte[] sign(String kind, byte[] input, PrivateKey key, byte[] secret) throws Exception {
        return switch (kind) {
            case "es256" -> ecdsa("SHA256withECDSAinP1363Format", input, key);
            case "der" -> ecdsa("SHA256withECDSA", input, key);
            case "hs256" -> {
                Mac mac = Mac.getInstance("HmacSHA256");
                mac.init(new SecretKeySpec(secret, "HmacSHA256"));
                yield mac.doFinal(input);
            }
            default -> new byte[0];
        };
    }

    static byte[] ecdsa(String algorithm, byte[] input, PrivateKey key) throws Exception {
        Signature signature = Signature.getInstance(algorithm);
        signature.initSign(key);
        signature.update(input);
        return signature.sign();
    }
}
