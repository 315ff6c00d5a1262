import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.ar.ArabicAnalyzer;
import org.apache.lucene.analysis.bg.BulgarianAnalyzer;
import org.apache.lucene.analysis.bn.BengaliAnalyzer;
import org.apache.lucene.analysis.br.BrazilianAnalyzer;
import org.apache.lucene.analysis.ca.CatalanAnalyzer;
import org.apache.lucene.analysis.cjk.CJKAnalyzer;
import org.apache.lucene.analysis.ckb.SoraniAnalyzer;
import org.apache.lucene.analysis.cz.CzechAnalyzer;
import org.apache.lucene.analysis.da.DanishAnalyzer;
import org.apache.lucene.analysis.de.GermanAnalyzer;
import org.apache.lucene.analysis.el.GreekAnalyzer;
import org.apache.lucene.analysis.en.EnglishAnalyzer;
import org.apache.lucene.analysis.es.SpanishAnalyzer;
import org.apache.lucene.analysis.et.EstonianAnalyzer;
import org.apache.lucene.analysis.eu.BasqueAnalyzer;
import org.apache.lucene.analysis.fa.PersianAnalyzer;
import org.apache.lucene.analysis.fi.FinnishAnalyzer;
import org.apache.lucene.analysis.fr.FrenchAnalyzer;
import org.apache.lucene.analysis.ga.IrishAnalyzer;
import org.apache.lucene.analysis.gl.GalicianAnalyzer;
import org.apache.lucene.analysis.hi.HindiAnalyzer;
import org.apache.lucene.analysis.hu.HungarianAnalyzer;
import org.apache.lucene.analysis.hy.ArmenianAnalyzer;
import org.apache.lucene.analysis.id.IndonesianAnalyzer;
import org.apache.lucene.analysis.it.ItalianAnalyzer;
import org.apache.lucene.analysis.lt.LithuanianAnalyzer;
import org.apache.lucene.analysis.lv.LatvianAnalyzer;
import org.apache.lucene.analysis.nl.DutchAnalyzer;
import org.apache.lucene.analysis.no.NorwegianAnalyzer;
import org.apache.lucene.analysis.pt.PortugueseAnalyzer;
import org.apache.lucene.analysis.ro.RomanianAnalyzer;
import org.apache.lucene.analysis.ru.RussianAnalyzer;
import org.apache.lucene.analysis.sr.SerbianAnalyzer;
import org.apache.lucene.analysis.sv.SwedishAnalyzer;
import org.apache.lucene.analysis.th.ThaiAnalyzer;
import org.apache.lucene.analysis.tr.TurkishAnalyzer;
import org.elasticsearch.Build;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.bulk.BulkItemResponse;
import org.elasticsearch.action.bulk.BulkRequest;
import org.elasticsearch.action.bulk.BulkResponse;
import org.elasticsearch.action.delete.DeleteRequest;
import org.elasticsearch.action.search.ClearScrollRequest;
import org.elasticsearch.action.search.SearchRequest;
import org.elasticsearch.action.search.SearchResponse;
import org.elasticsearch.action.search.SearchScrollRequest;
import org.elasticsearch.action.support.IndicesOptions;
import org.elasticsearch.action.support.WriteRequest.RefreshPolicy;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.common.Strings;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.index.analysis.PreBuiltAnalyzerProviderFactory;
import org.elasticsearch.index.query.QueryBuilder;
import org.elasticsearch.indices.analysis.PreBuiltCacheFactory.CachingStrategy;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestChannel;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.search.SearchHit;
import org.elasticsearch.search.builder.SearchSourceBuilder;
import org.elasticsearch.xcontent.XContentBuilder;

/**
 * Stands in for what modules of the distribution do that no registry has: the greeting at `/`, by which clients see whether the
 * server is there; the analyzers of single languages, which are Lucene's own; and `_delete_by_query` in its simple form: a
 * search, and a bulk of deletes that hold only for the versions found. A parameter that it does not know is refused.
 */
public class StandIns extends Plugin implements ActionPlugin, AnalysisPlugin {
  private static final Map<String, Supplier<Analyzer>> LANGUAGES = Map.ofEntries(
      Map.entry("arabic", ArabicAnalyzer::new),
      Map.entry("armenian", ArmenianAnalyzer::new),
      Map.entry("basque", BasqueAnalyzer::new),
      Map.entry("bengali", BengaliAnalyzer::new),
      Map.entry("brazilian", BrazilianAnalyzer::new),
      Map.entry("bulgarian", BulgarianAnalyzer::new),
      Map.entry("catalan", CatalanAnalyzer::new),
      Map.entry("cjk", CJKAnalyzer::new),
      Map.entry("czech", CzechAnalyzer::new),
      Map.entry("danish", DanishAnalyzer::new),
      Map.entry("dutch", DutchAnalyzer::new),
      Map.entry("english", EnglishAnalyzer::new),
      Map.entry("estonian", EstonianAnalyzer::new),
      Map.entry("finnish", FinnishAnalyzer::new),
      Map.entry("french", FrenchAnalyzer::new),
      Map.entry("galician", GalicianAnalyzer::new),
      Map.entry("german", GermanAnalyzer::new),
      Map.entry("greek", GreekAnalyzer::new),
      Map.entry("hindi", HindiAnalyzer::new),
      Map.entry("hungarian", HungarianAnalyzer::new),
      Map.entry("indonesian", IndonesianAnalyzer::new),
      Map.entry("irish", IrishAnalyzer::new),
      Map.entry("italian", ItalianAnalyzer::new),
      Map.entry("latvian", LatvianAnalyzer::new),
      Map.entry("lithuanian", LithuanianAnalyzer::new),
      Map.entry("norwegian", NorwegianAnalyzer::new),
      Map.entry("persian", PersianAnalyzer::new),
      Map.entry("portuguese", PortugueseAnalyzer::new),
      Map.entry("romanian", RomanianAnalyzer::new),
      Map.entry("russian", RussianAnalyzer::new),
      Map.entry("serbian", SerbianAnalyzer::new),
      Map.entry("sorani", SoraniAnalyzer::new),
      Map.entry("spanish", SpanishAnalyzer::new),
      Map.entry("swedish", SwedishAnalyzer::new),
      Map.entry("thai", ThaiAnalyzer::new),
      Map.entry("turkish", TurkishAnalyzer::new));

  @Override
  public List<PreBuiltAnalyzerProviderFactory> getPreBuiltAnalyzerProviderFactories() {
    return LANGUAGES.entrySet().stream()
        .map(language -> new PreBuiltAnalyzerProviderFactory(language.getKey(), CachingStrategy.LUCENE, language.getValue()))
        .toList();
  }

  @Override
  public Collection<RestHandler> getRestHandlers(
      ActionPlugin.RestHandlersServices services, Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> hasFeature) {
    return List.of(new Greeting(), new DeleteByQuery());
  }

  static class Greeting extends BaseRestHandler {
    @Override
    public String getName() {
      return "greeting";
    }

    @Override
    public List<Route> routes() {
      return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
      return channel -> {
        Build build = Build.current();
        XContentBuilder answer = channel.newBuilder().startObject().field("name", "unforget").field("cluster_name", "unforget");
        answer.startObject("version").field("number", build.version()).field("build_flavor", build.flavor());
        answer.field("build_hash", build.hash()).field("build_date", build.date()).field("build_snapshot", build.isSnapshot());
        answer.field("minimum_wire_compatibility_version", build.minWireCompatVersion());
        answer.field("minimum_index_compatibility_version", build.minIndexCompatVersion()).endObject();
        channel.sendResponse(new RestResponse(RestStatus.OK, answer.field("tagline", "You Know, for Search").endObject()));
      };
    }
  }

  static class DeleteByQuery extends BaseRestHandler {
    @Override
    public String getName() {
      return "delete_by_query";
    }

    @Override
    public List<Route> routes() {
      return List.of(new Route(RestRequest.Method.POST, "/{index}/_delete_by_query"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) throws IOException {
      String[] indices = Strings.splitStringByCommaToArray(request.param("index"));
      boolean refresh = request.paramAsBoolean("refresh", false);
      boolean proceed = request.param("conflicts", "abort").equals("proceed");
      String routing = request.param("routing");
      int size = request.paramAsInt("scroll_size", 1000);
      IndicesOptions options = IndicesOptions.fromRequest(request, IndicesOptions.strictExpandOpenAndForbidClosed());
      if (!request.paramAsBoolean("wait_for_completion", true)) throw new IllegalArgumentException("The test server has no tasks");
      SearchSourceBuilder source = new SearchSourceBuilder().parseXContent(request.contentParser(), true, feature -> true);
      QueryBuilder query = source.query();
      if (query == null) throw new IllegalArgumentException("query is missing");
      SearchSourceBuilder found = new SearchSourceBuilder().query(query).size(size).sort("_doc").fetchSource(false).seqNoAndPrimaryTerm(true);
      SearchRequest search = new SearchRequest(indices).indicesOptions(options).routing(routing).source(found).scroll(Run.KEPT);
      return channel -> client.search(search, new Run(channel, client, indices, refresh, proceed));
    }
  }

  /** One page of hits after the other. */
  static class Run implements ActionListener<SearchResponse> {
    static final TimeValue KEPT = TimeValue.timeValueMinutes(5);
    private final long begin = System.nanoTime();
    private final RestChannel channel;
    private final NodeClient client;
    private final String[] indices;
    private final boolean refresh;
    private final boolean proceed;
    private final List<BulkItemResponse.Failure> failures = new ArrayList<>();
    private long total, deleted, batches, conflicts;

    Run(RestChannel channel, NodeClient client, String[] indices, boolean refresh, boolean proceed) {
      this.channel = channel;
      this.client = client;
      this.indices = indices;
      this.refresh = refresh;
      this.proceed = proceed;
    }

    @Override
    public void onResponse(SearchResponse page) {
      String scroll = page.getScrollId();
      total = page.getHits().getTotalHits().value();
      BulkRequest bulk = new BulkRequest();
      for (SearchHit hit : page.getHits().getHits()) {
        DeleteRequest delete = new DeleteRequest(hit.getIndex(), hit.getId()).setIfSeqNo(hit.getSeqNo()).setIfPrimaryTerm(hit.getPrimaryTerm());
        var routing = hit.field("_routing");
        bulk.add(routing == null ? delete : delete.routing(routing.getValue()));
      }
      if (bulk.numberOfActions() == 0) {
        finish(scroll);
        return;
      }
      client.bulk(bulk, ActionListener.wrap(answer -> afterBulk(answer, scroll), this::onFailure));
    }

    private void afterBulk(BulkResponse answer, String scroll) {
      batches++;
      for (BulkItemResponse item : answer) {
        if (!item.isFailed()) {
          deleted++;
        } else if (item.getFailure().getStatus() == RestStatus.CONFLICT && proceed) {
          conflicts++;
        } else {
          if (item.getFailure().getStatus() == RestStatus.CONFLICT) conflicts++;
          failures.add(item.getFailure());
        }
      }
      if (failures.isEmpty()) client.searchScroll(new SearchScrollRequest(scroll).scroll(KEPT), this);
      else finish(scroll);
    }

    private void finish(String scroll) {
      ClearScrollRequest clear = new ClearScrollRequest();
      clear.addScrollId(scroll);
      client.clearScroll(clear, ActionListener.noop());
      if (refresh) client.admin().indices().prepareRefresh(indices).execute(ActionListener.wrap(done -> answer(), this::onFailure));
      else answer();
    }

    private void answer() {
      try {
        XContentBuilder body = channel.newBuilder().startObject().field("took", (System.nanoTime() - begin) / 1_000_000);
        body.field("timed_out", false).field("total", total).field("deleted", deleted).field("batches", batches);
        body.field("version_conflicts", conflicts).field("noops", 0).startArray("failures");
        for (BulkItemResponse.Failure failure : failures) {
          body.startObject();
          failure.toXContent(body, channel.request());
          body.endObject();
        }
        RestStatus status = failures.isEmpty() ? RestStatus.OK : failures.get(0).getStatus();
        channel.sendResponse(new RestResponse(status, body.endArray().endObject()));
      } catch (IOException error) {
        onFailure(error);
      }
    }

    @Override
    public void onFailure(Exception error) {
      try {
        channel.sendResponse(new RestResponse(channel, error));
      } catch (IOException lost) {
        lost.printStackTrace();
      }
    }
  }
}
