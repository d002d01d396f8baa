import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import org.apache.hc.client5.http.classic.methods.HttpGet;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.core5.http.io.entity.EntityUtils;

/** Prints the content of a URL, with one of the libraries that many programs use. */
final class Libraries {
    public static void main(String[] args) throws Exception {
        String url = args[1];
        switch (args[0]) {
            case "OkHttp":
                try (Response response = new OkHttpClient().newCall(new Request.Builder().url(url).build()).execute()) {
                    System.out.println(response.body().string());
                }
                System.exit(0); // it keeps threads for a minute
                break;
            case "Apache":
                print(HttpClients.createDefault(), url);
                break;
            default:
                print(HttpClients.createSystem(), url); // with the properties of the system
        }
    }

    private static void print(CloseableHttpClient client, String url) throws Exception {
        try (client) {
            String body = client.execute(new HttpGet(url), response -> EntityUtils.toString(response.getEntity()));
            System.out.println(body);
        }
    }
}
