// Hand a campaign in over HTTP with HttpClient, wait for it, print how it went. No packages: .NET 6 or newer, or Mono.
//
//     dotnet run --project csharp            with this file in a console project (dotnet new console -o csharp)
//     mcs -r:System.Net.Http -r:System.Runtime.Serialization CsharpHttp.cs && mono CsharpHttp.exe [IDEMPOTENCY_KEY]
//
// DISPATCHER_API_URL and DISPATCHER_SERVICE_KEY say where. Run it twice: the same Idempotency-Key and body are one campaign.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Runtime.Serialization;
using System.Runtime.Serialization.Json;
using System.Text;
using System.Threading.Tasks;

[DataContract]
public class Payload
{
    [DataMember(Name = "name")] public string Name { get; set; }
    [DataMember(Name = "template")] public string Template { get; set; }
    [DataMember(Name = "recipients")] public List<Dictionary<string, string>> Recipients { get; set; }
    [DataMember(Name = "test")] public bool Test { get; set; }
}

[DataContract]
public class Created
{
    [DataMember(Name = "campaign_id")] public long Id { get; set; }
}

[DataContract]
public class Campaign
{
    [DataMember(Name = "state")] public string State { get; set; }
    [DataMember(Name = "blocked")] public string Blocked { get; set; }
    [DataMember(Name = "invalid")] public int Invalid { get; set; }
    [DataMember(Name = "counts")] public Dictionary<string, int> Counts { get; set; }
}

public class Refused : Exception
{
    public Refused(string problem) : base(problem) { }
}

public static class Program
{
    static readonly DateTime Ends = DateTime.UtcNow.AddMinutes(5);
    static readonly HttpClient Client = new HttpClient();

    static Dictionary<string, string> Recipient(string number, string name, string day)
    {
        return new Dictionary<string, string> { ["telefono"] = number, ["nombre"] = name, ["dia"] = day };
    }

    static DataContractJsonSerializer Json(Type type)
    {
        return new DataContractJsonSerializer(type, new DataContractJsonSerializerSettings { UseSimpleDictionaryFormat = true });
    }

    static string Write<T>(T value)
    {
        using (var stream = new MemoryStream())
        {
            Json(typeof(T)).WriteObject(stream, value);
            return Encoding.UTF8.GetString(stream.ToArray());
        }
    }

    static T Read<T>(string text)
    {
        using (var stream = new MemoryStream(Encoding.UTF8.GetBytes(text)))
        {
            return (T)Json(typeof(T)).ReadObject(stream);
        }
    }

    // Call until there is an answer that stands. Asking again is safe: one key is one campaign.
    static async Task<T> Ask<T>(string path, string body = null)
    {
        while (true)
        {
            string problem;
            try
            {
                var content = body == null ? null : new StringContent(body, Encoding.UTF8, "application/json");
                using (var answer = await (body == null ? Client.GetAsync(path) : Client.PostAsync(path, content)))
                {
                    var status = (int)answer.StatusCode;
                    var text = await answer.Content.ReadAsStringAsync();
                    if (status == 200 || status == 201) return Read<T>(text);
                    problem = status + ": " + text;
                    // What asking again would not change.
                    if (!new[] { 202, 429, 502, 503, 504 }.Contains(status)) throw new Refused(problem);
                }
            }
            catch (HttpRequestException error) { problem = error.Message; }
            catch (TaskCanceledException) { problem = "no answer within a minute"; }
            if (DateTime.UtcNow > Ends) throw new Refused("gave up: " + problem);
            await Task.Delay(1000);
        }
    }

    static async Task Run(string key)
    {
        Client.BaseAddress = new Uri(Environment.GetEnvironmentVariable("DISPATCHER_API_URL") ?? "http://127.0.0.1:8080");
        Client.Timeout = TimeSpan.FromMinutes(1);
        Client.DefaultRequestHeaders.Add("Idempotency-Key", key);
        Client.DefaultRequestHeaders.Authorization =
            new AuthenticationHeaderValue("Bearer", Environment.GetEnvironmentVariable("DISPATCHER_SERVICE_KEY"));
        var payload = new Payload
        {
            Name = "Example: C#",
            Template = "Hola {nombre}, su entrega es el {dia}. Empresa SA",
            Recipients = new List<Dictionary<string, string>>
            {
                Recipient("1144445555", "Ana", "10/12"),
                Recipient("011 15 4444-6666", "José", "11/12"),
                Recipient("12", "Nadie", "12/12"),
            },
            Test = true, // the provider validates and sends nothing; take it out to send
        };
        var number = (await Ask<Created>("/api/v1/campaigns", Write(payload))).Id;
        Campaign campaign;
        while (true)
        {
            campaign = await Ask<Campaign>("/api/v1/campaigns/" + number);
            if (campaign.State == "completed" || campaign.State == "cancelled") break;
            if (DateTime.UtcNow > Ends)
                throw new Refused("campaign " + number + " is still " + campaign.State + ". " + campaign.Blocked);
            await Task.Delay(1000);
        }
        Console.WriteLine("campaign " + number + " " + campaign.State + ", invalid rows: " + campaign.Invalid);
        foreach (var count in campaign.Counts.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            Console.WriteLine("  " + count.Key + ": " + count.Value);
    }

    public static int Main(string[] arguments)
    {
        try
        {
            Run(arguments.Length > 0 ? arguments[0] : "example-csharp").GetAwaiter().GetResult();
            return 0;
        }
        catch (Refused error)
        {
            Console.Error.WriteLine(error.Message);
            return 1;
        }
    }
}
