// The report's sections on ordinary runs: what is shown of which run, and that it fits.
#include <algorithm>
#include <cmath>
#include <regex>

#include <doctest/doctest.h>

#include "app/report/plot.h"
#include "app/report/page_frame.h"
#include "app/report/plot_frame.h"
#include "app/report/run_names.h"
#include "app/report/section.h"

namespace {

using namespace mld;

ReportRun run_of(const std::string& name, const std::string& metric,
                 const std::vector<std::pair<double, double>>& raw_and_average) {
  ReportRun run{.folder = {"runs/" + name}, .name = name, .config = {}, .history = {}, .best = {}};
  for (const auto& [raw, average] : raw_and_average) {
    const auto number = std::ssize(run.history.epochs) + 1;
    run.history.metric = metric;
    run.history.epochs.push_back({.epoch = number, .step = 10 * number, .raw = raw,
                                  .average = average, .best = {}, .zero_shot = {}});
  }
  return run;
}

ReportInput input_of(std::vector<ReportRun> runs) { return {std::move(runs), nullptr, {}}; }

size_t count(const std::string& text, std::string_view part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

bool shows(const ReportInput& input, std::string_view part) {
  return count(report_page(input), part) > 0;
}

}  // namespace

TEST_CASE("a run that is not finished can be resumed; one that patience ended is finished") {
  ReportInput input = input_of({run_of("a b", "mAP", {{30, 40}, {29, 39}, {28, 38}})});
  TrainSpec& train = input.runs[0].config.config.train;
  train.epochs = 10;
  CHECK(shows(input, "mltrain --resume &#39;runs/a b&#39;"));
  CHECK(shows(input, "mlinfer eval &#39;runs/a b&#39;"));
  train.patience = 3;
  CHECK(shows(input, "mltrain --resume"));
  train.patience = 2;
  CHECK_FALSE(shows(input, "mltrain --resume"));
  CHECK(shows(input, "mlinfer eval"));
  input.runs[0].history.epochs[2].average = 41;  // the better of both counts
  CHECK(shows(input, "mltrain --resume"));
  train.epochs = 3;
  CHECK_FALSE(shows(input, "mltrain --resume"));
}

TEST_CASE("several runs: a plot per metric, one colour per run, one best point a plot") {
  const std::string page = report_page(input_of({run_of("none", "", {}),
                                                 run_of("a", "mAP", {{30, 40}, {35, 45}}),
                                                 run_of("b", "CF1", {{80, 70}, {81, 71}}),
                                                 run_of("c", "mAP", {{33, 43}, {34, 44}})}));
  CHECK(count(page, "aria-label=\"mAP on val, percent\"") == 1);
  CHECK(count(page, "aria-label=\"CF1 on val, percent\"") == 1);
  CHECK(count(page, " on val, percent\"") == 2);
  CHECK(count(page, " best\">") == 2);
  const auto ink_of = [&](const std::string& name) {
    const std::regex key("class=\"([^\"]*)\"/></svg>\\s*<bdi title=\"" + name + "\"");
    std::smatch found;
    REQUIRE(std::regex_search(page, found, key));
    return found[1].str();
  };
  CHECK(ink_of("a, raw weights") == "s1 dash1 faint");
  CHECK(ink_of("a, averaged weights") == "s1 dash1");
  CHECK(ink_of("b, averaged weights") == "s2 dash2");
  CHECK(ink_of("c, averaged weights") == "s3 dash3");
}

TEST_CASE("several runs: what could not be read of one is named with it") {
  ReportInput input = input_of({run_of("a", "mAP", {{30, 40}}), run_of("b", "mAP", {{30, 40}})});
  input.runs[1].history.problems = {"results.csv:3: not a complete row"};
  CHECK(shows(input, "<p class=\"warning\"><bdi>b: results.csv:3: not a complete row</bdi></p>"));
}

TEST_CASE("runs are called by what differs in their paths") {
  CHECK(names_apart({"/x/a"}) == std::vector<std::string>{"a"});
  CHECK(names_apart({"/x/a/run", "/x/b/run/", "/x/c", "/y/a/./run", "/x/a/run"}) ==
        std::vector<std::string>{"x/a/run", "b/run", "c", "y/a/run", "x/a/run"});
  CHECK(names_apart({"/", "/run", "/run"}) == std::vector<std::string>{"/", "run", "run"});
}

TEST_CASE("zero-shot: classes without pictures last, chance beside the metrics") {
  ReportInput input = input_of({run_of("a", "mAP_GZSL", {{30, 40}})});
  input.runs[0].config.config.task = Task::zero_shot;
  input.runs[0].history.epochs[0].zero_shot = {{"mAP_ZSL", 12}, {"chance_ZSL", 5}};
  input.runs[0].best = KeptEvaluation{.metrics = {}, .classes = {}};
  input.runs[0].best->classes = {{.name = "gone", .positives = 0, .ap = {}, .seen = false},
                                 {.name = "good", .positives = 1, .ap = 90, .seen = false},
                                 {.name = "poor", .positives = 2, .ap = 10, .seen = false},
                                 {.name = "old", .positives = 3, .ap = 50}};
  const std::string page = report_page(input);
  const std::string section = page.substr(page.find("<section id=\"zero-shot\""));
  CHECK(section.find(">poor<") < section.find(">good<"));
  CHECK(section.find(">good<") < section.find(">gone<"));
  CHECK(count(section, "unseen ones by chance: 1 points, first 5") == 1);
  CHECK(count(section, "aria-label=\"Unseen classes\"") == 1);
  CHECK(count(section, "aria-label=\"Seen classes\"") == 1);
}

TEST_CASE("no text of a plot is cut off by its edge") {
  for (const double last : {9.0, 10'000.0, 60'000.0, 2'000'000.0}) {
    CAPTURE(last);
    const Drawing drawing = draw(LinePlot{.title = "t", .x_label = "update", .y_label = "",
                                          .series = {{.name = "a", .x = {0, last}, .y = {1, 2}}}});
    for (const Drawing::Text& text : drawing.texts) {
      const double half = text_width(text.text) / 2;
      if (text.anchor == "middle" && !text.turned) {
        CHECK(text.x - half >= 0);
        CHECK(text.x + half <= drawing.width);
      }
    }
  }
  std::string han;
  for (int i = 0; i < 12; ++i) {
    han += "\u732b";
  }
  CHECK(text_width(han) > text_width("twelve latin"));
  HeatMap map{.title = "t", .rows = {"short", "sixteen_letters_", std::string(40, 'x'), han},
              .columns = {}};
  map.columns = map.rows;
  map.values.assign(16, 0);
  map.tips.assign(16, "tip");
  Document document("plot.html");
  fill(draw(map), document.root());
  const std::string svg = document.html();
  static const std::regex label("<text x=\"([0-9.]+)\" y=\"([0-9.]+)\" text-anchor=\"(\\w+)\"\\s*"
                                "(transform=[^>]*)?>([^\\n<]*)");
  int cut = 0, all = 0;
  for (std::sregex_iterator it(svg.begin(), svg.end(), label), end; it != end; ++it, ++all) {
    const std::string text = (*it)[5];
    const bool turned = (*it)[4].matched;
    CAPTURE(text);
    CHECK(text_width(text) <= std::stod((*it)[turned ? 2 : 1]));
    cut += text.ends_with("…");
  }
  CHECK(all == 8);
  CHECK(cut == 4);
  CHECK(count(svg, "short") == 2);
  CHECK(count(svg, "<title>" + std::string(40, 'x') + "</title>") == 2);
}

TEST_CASE("a heat map says its strongest cells in words") {
  const HeatMap map{.title = "t", .rows = {"a", "b"}, .columns = {"a", "b"},
                    .values = {1, 0.25, 0.5, 1}, .tips = {"aa", "ab", "ba", "bb"}};
  CHECK(strongest_cells(map) == std::vector<std::string>{"ba", "ab"});
  CHECK(strongest_cells(map, 1) == std::vector<std::string>{"ba"});
  CHECK(draw(map).description == "2 rows, 2 columns; ba; ab");
}

TEST_CASE("long texts: fewer pictures, so that the page has at most 8 MB") {
  constexpr size_t kTexts = 4'500'000, kMost = 8'000'000;
  ReportInput input = input_of({run_of("a", "mAP", {{30, 40}})});
  DataSummary data{.train = {}, .val = {}, .together = {}, .mosaic = {}, .notes = {}};
  input.data = &data;
  data.mosaic.assign(2000, {std::vector<uint8_t>(3000, 1), "a label"});  // 4 kB each
  input.gaps = {std::string(kTexts, 'x')};
  const std::string page = report_page(input);
  CHECK(page.size() <= kMost);
  CHECK(page.size() > kMost - 200'000);
  CHECK(count(page, "Left out to keep this file below 8 MB: ") == 1);
}

TEST_CASE("a page is made smaller from what its pictures take, not from what they may take") {
  int renderings = 0;
  const std::string page = fit_page(5'000'000, [&](size_t& pictures) {
    ++renderings;
    pictures = std::min<size_t>(pictures, 900'000);
    return std::string(7'600'000 + pictures, 'x');
  });
  CHECK(renderings == 2);
  CHECK(page.size() == kMostPageBytes);
}

TEST_CASE("10,000 classes with long names: the first of each table, and how many more") {
  ReportInput input = input_of({run_of("a", "mAP", {{30, 40}})});
  input.runs[0].config.config.task = Task::zero_shot;
  input.runs[0].best = KeptEvaluation{.metrics = {}, .classes = {}};
  DataSummary data{.train = {}, .val = {}, .together = {}, .mosaic = {}, .notes = {}};
  for (int k = 0; k < 10'000; ++k) {
    data.train.class_names.push_back(fmt::format("{:05}{}", k, std::string(300, '&')));
    input.runs[0].best->classes.push_back({.name = data.train.class_names.back(), .positives = 1,
                                           .ap = k / 100.0, .seen = k % 2 == 0});
  }
  data.train.labels.present.assign(10'000, 1);
  data.val.class_names = data.train.class_names;
  data.val.labels.present = data.train.labels.present;
  input.data = &data;
  std::string page = report_page(input);
  CHECK(page.size() < 6'000'000);
  CHECK(count(page, " more, in no more pictures of train than these, are not listed.") == 1);
  CHECK(count(page, " more are in val/per_class.csv.") == 2);
  CHECK(count(page, " more, with a higher AP or without pictures.") == 1);
  CHECK(count(page, "00000&amp;") >= 3);  // the first rows are there
  const ReportRun again = input.runs[0];
  input.runs.push_back(again);
  page = report_page(input);
  CHECK(page.size() < 3'000'000);
  CHECK(count(page, " more, which lost less or gained,") == 1);
}

TEST_CASE("many validations: at most 400 points of a curve, the best among them") {
  std::vector<std::pair<double, double>> values;
  for (int i = 0; i < 20'000; ++i) {
    values.emplace_back(20 + i % 7, 30 + i % 5);
  }
  values[12'345] = {40, 77};
  ReportInput input = input_of({run_of("a", "mAP", values)});
  CHECK(report_page(input).size() < 200'000);
  CHECK(shows(input, ">77\n"));
  Series series{.name = "", .x = {}, .y = {}, .best = 0};
  for (int i = 0; i < 5000; ++i) {
    series.x.push_back(i);
    series.y.push_back(i == 4321 ? -1 : i == 1234 ? 100 : i % 3);
  }
  series.best = 2222;  // an ordinary point
  const Series few = outlined(series, 50);
  CHECK(few.x.size() <= 50);
  CHECK(few.x[few.best.value()] == 2222);
  CHECK(std::ranges::count(few.y, 100) == 1);
  CHECK(std::ranges::count(few.y, -1) == 1);
  CHECK(few.x.front() == 0);
  CHECK(few.x.back() == 4999);
}

TEST_CASE("of many notes the last are shown, which say how the run ended") {
  ReportInput input = input_of({run_of("a", "mAP", {{30, 40}})});
  for (int i = 0; i < 300; ++i) {
    input.runs[0].history.notes.push_back({i, true, fmt::format("note {}.", i)});
  }
  CHECK(shows(input, "note 299."));
  CHECK(shows(input, "note 100."));
  CHECK_FALSE(shows(input, "note 99."));
  CHECK(shows(input, "train.log has 100 earlier ones."));
}

TEST_CASE("many classes: their frequencies are drawn as at most 1,000 points") {
  ReportInput input = input_of({run_of("a", "mAP", {{30, 40}})});
  DataSummary data{.train = {}, .val = {}, .together = {}, .mosaic = {}, .notes = {}};
  for (int64_t k = 0; k < 5000; ++k) {
    data.train.class_names.push_back(fmt::format("c{}", k));
    data.train.labels.present.push_back(6000 - k);
  }
  data.val.class_names = data.train.class_names;
  data.val.labels.present = data.train.labels.present;
  input.data = &data;
  const std::string page = report_page(input);
  CHECK(count(page, "<title>val at ") == 1000);
  CHECK(count(page, "<th scope=\"row\" class=\"name\"><bdi title=\"c") == 5000);
}

TEST_CASE("a page can send nothing anywhere") {
  const std::string page = report_page(input_of({run_of("a", "mAP", {{30, 40}})}));
  const size_t policy = page.find("Content-Security-Policy");
  const std::string rules = page.substr(policy, page.find('>', policy) - policy);
  for (const char* rule : {"default-src 'none'", "form-action 'none'", "base-uri 'none'"}) {
    CHECK(count(rules, rule) == 1);
  }
}
