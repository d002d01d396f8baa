import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** Prints the content of a URL, with one of the clients in the standard library. */
final class Get {
    public static void main(String[] args) throws Exception {
        URI uri = URI.create(args[1]);
        if (args[0].equals("HttpClient")) {
            HttpRequest request = HttpRequest.newBuilder(uri).build();
            System.out.println(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
            return;
        }
        HttpURLConnection connection = (HttpURLConnection) uri.toURL().openConnection();
        System.out.println(new String(connection.getInputStream().readAllBytes()));
    }
}
