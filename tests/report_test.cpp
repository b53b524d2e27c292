// The report's parts: that texts stay texts, what plots draw, what a damaged run folder gives.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <regex>
#include <set>

#include <doctest/doctest.h>

#include "app/report/pictures.h"
#include "app/report/plot.h"
#include "app/report/section.h"
#include "app/report/templates.h"
#include "tests/page_check.h"

namespace {

using namespace mld;
using mld::test::check_page;
using mld::test::count;
using mld::test::kHostile;
using mld::test::kSectionsOfScores;

ReportInput hostile_input() {
  ReportRun run{.folder = {"runs/it's <b>here</b>"}, .name = kHostile[0], .config = {},
                .history = {}, .best = KeptEvaluation()};
  run.config.config.task = Task::zero_shot;
  run.config.config.data.root = "/data/" + kHostile[2];
  run.config.origins["data.root"] = kHostile[1];
  run.history.metric = kHostile[5];
  run.history.epochs = {{.epoch = 1, .step = 10, .loss = 2, .lr = 0.1, .raw = 30.0, .average = {},
                         .best = {}, .zero_shot = {{"mAP_ZSL", 10.0}}},
                        {.epoch = 2, .step = 20, .loss = 1, .lr = 0.1, .raw = 40.0, .average = {},
                         .best = {}, .zero_shot = {}}};
  run.history.steps = {{10, 2, 0.1, 1, 50}, {20, 1, 0.1, NAN, 60}};
  run.best->metrics = {{"mAP", 40}, {kHostile[2], 1}};
  for (const std::string& name : kHostile) {
    run.history.notes.push_back({5, true, name});
    run.history.problems.push_back(name);
    run.best->classes.push_back({.name = name, .positives = 3, .ap = 50});
  }
  run.best->classes[0].seen = false;
  ReportInput input{{std::move(run)}, nullptr, kHostile};
  return input;
}

DataSummary hostile_data() {
  SplitSummary split{.class_names = kHostile, .labels = {}, .sizes = {{30, 20}, {40, 30}},
                     .bad = {{0, kHostile[0], kHostile[0]}}};
  const auto K = static_cast<int64_t>(kHostile.size());
  split.labels = {.pictures = 5, .present = std::vector<int64_t>(kHostile.size(), 2),
                  .unknown = std::vector<int64_t>(kHostile.size(), 0),
                  .labels_histogram = {0, 3, 2}};
  DataSummary data{.train = split, .val = split, .together = {}, .mosaic = {}, .notes = kHostile};
  for (int64_t k = 0; k < K; ++k) {
    data.together.classes.push_back(k);
  }
  data.together.together.assign(static_cast<size_t>(K * K), 1);
  data.together.known.assign(static_cast<size_t>(K * K), 2);
  for (const std::string& name : kHostile) {
    data.mosaic.push_back({{0xFF, 0xD8, 0xFB, 0xEF}, name});
  }
  return data;
}

// A picture per class, each with the labels of two, which share a query with all.
AttentionSummary hostile_attention() {
  AttentionSummary attention{.heads = 8, .classes = {}};
  const LabelMap looked{.query = 0, .sharing = kHostile,
                        .map = Tensor::from({1, 2}, std::vector<float>{0.25, 0.75})};
  for (const std::string& name : kHostile) {
    const AskedLabel label{.name = name, .seen = false};
    const AskedLabel other{.name = kHostile[0]};
    LabelledPicture picture(name, Image(8, 6, 128), {});
    picture.add({.label = &label, .score = 0.75F, .above = true, .threshold = 0.5}, &looked);
    picture.add({.label = &other, .score = 0.25F, .above = false, .threshold = {}}, &looked);
    attention.classes.push_back({.name = name, .ap = 50, .pictures = {std::move(picture)}});
  }
  return attention;
}

}  // namespace

TEST_CASE("names from outside stay text, wherever they stand") {
  std::set<std::string> shown(std::begin(kSectionsOfScores), std::end(kSectionsOfScores));
  const DataSummary data = hostile_data();
  ReportInput input = hostile_input();
  input.data = &data;
  CHECK(count(report_page(input), "<code>mltrain report RUN</code> adds pictures") == 1);
  const AttentionSummary attention = hostile_attention();
  input.attention = &attention;
  const std::string page = report_page(input);
  check_page(page);
  CHECK(count(page, "<code>mltrain report RUN</code> adds pictures") == 0);
  CHECK(count(page, "<figure class=\"card overlay\">") == kHostile.size());
  CHECK(count(page, "<bdi>the same map for ") == 2 * kHostile.size());
  CHECK(count(page, "data:image/jpeg;base64,/9j77w==\"") == kHostile.size());
  // A long name is shortened; all of it is in a title.
  CHECK(count(page, ">" + std::string(60, 'W') + "…<") > 0);
  CHECK(count(page, "title=\"" + std::string(300, 'W') + "\"") > 0);
  CHECK(count(page, "mltrain --resume &#39;runs/it&#39;\\&#39;&#39;s") == 1);  // for a shell
  // Warnings too: their direction is their own.
  CHECK(count(page, "Not readable: <bdi>") == kHostile.size());
  CHECK(count(page, "<p class=\"warning\">") ==
        count(page, "<p class=\"warning\"><bdi>") + kHostile.size() +
            count(page, "<p class=\"warning\">Bad picture ("));
  CHECK(count(page, "* behind a label: training did not show it.") == 1);
  // No section is without hostile names.
  input.runs.push_back(input.runs[0]);
  for (const std::string& text : {page, report_page(input)}) {
    for (const ReportSection* section : report_sections()) {
      if (count(text, fmt::format("<section id=\"{}\"", section->id)) == 1) {
        shown.insert(section->id);
      }
    }
  }
  CHECK(shown.size() == report_sections().size());
}

TEST_CASE("tables say what heads a column and a row, and how they are sorted") {
  for (const TemplateFile& file : kTemplateFiles) {
    const std::string name = file.name, text(file.text);
    CAPTURE(name);
    const size_t headers = count(text, "<th ") + count(text, "<th>");
    CHECK(count(text, "<th scope=\"") == headers);
    if (count(text, "<table ") == 0) {
      continue;
    }
    // In these a row has no name: it is a message, a pair of classes, a label of a picture.
    const bool nameless =
        name == "log.html" || name == "confusion.html" || name == "label_errors.html";
    CHECK(count(text, "<th scope=\"row\"") == (nameless ? 0 : 1));
    const size_t sorted = count(text, "aria-sort=\"ascending\"") +
                          count(text, "aria-sort=\"descending\"");
    static const std::regex first("[a-zA-Z] first[,.;<]");
    CHECK(sorted == (std::regex_search(text, first) ? 1 : 0));
  }
}

TEST_CASE("the tutorial reads the report's sections in their order, by their headings") {
  std::ifstream page(test::fs::path(test::source_dir()) / "docs/tutorial.md");
  size_t next = 0, named = 0;
  bool reading = false;
  for (std::string line; std::getline(page, line);) {
    reading = line.starts_with("## ") ? line.find("Read the report") != std::string::npos : reading;
    if (!reading || !line.starts_with("- **")) {
      continue;
    }
    const std::string heading = line.substr(4, line.find(".**") - 4);
    CAPTURE(heading);
    while (next < report_sections().size() && report_sections()[next]->heading != heading) {
      ++next;
    }
    CHECK(next++ < report_sections().size());
    ++named;
  }
  CHECK(named >= 5);
}

TEST_CASE("several runs: curves over each other, difference of AP per class") {
  ReportInput input = hostile_input();
  input.runs.push_back(hostile_input().runs[0]);
  input.runs[1].name = kHostile[3];
  input.runs[1].best->classes[1].ap = 62.5;
  input.runs[1].best->classes.pop_back();
  const std::string page = report_page(input);
  check_page(page);
  CHECK(count(page, "<td class=\"number\">+12.50</td>") == 1);
  CHECK(count(page, "id=\"comparison\"") == 1);
  CHECK(count(page, "id=\"config\"") == 0);
}

TEST_CASE("every variable of a template is set somewhere, and every one set is shown") {
  static const std::regex marker("\\{\\{[#/>]?([A-Z0-9_]+)");
  static const std::regex quoted("\"([A-Z][A-Z0-9_]+|X|Y|W|H|D|R)\"");
  std::set<std::string> shown, set;
  for (const TemplateFile& file : kTemplateFiles) {
    const std::string text(file.text);
    for (std::sregex_iterator it(text.begin(), text.end(), marker), end; it != end; ++it) {
      shown.insert((*it)[1]);
    }
  }
  const auto folder = test::fs::path(test::source_dir()) / "app/report";
  for (const auto& entry : test::fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".cpp") {
      const std::string text = test::read_file(entry.path());
      for (std::sregex_iterator it(text.begin(), text.end(), quoted), end; it != end; ++it) {
        set.insert((*it)[1]);
      }
    }
  }
  for (const std::string& name : shown) {
    CAPTURE(name);
    const bool full = name.ends_with("_FULL") && set.contains(name.substr(0, name.size() - 5));
    CHECK((set.contains(name) || full));
  }
  for (const std::string& name : set) {
    CAPTURE(name);
    CHECK(shown.contains(name));
  }
}

TEST_CASE("axes: round ticks that hold all values") {
  const auto texts = [](const Axis& axis) {
    std::vector<std::string> all;
    for (const Tick& tick : axis.ticks) {
      all.push_back(tick.text);
    }
    return all;
  };
  const Axis plain = axis_for(std::vector<double>{0.13, 0.97, NAN, INFINITY});
  CHECK(plain.low == doctest::Approx(0));
  CHECK(plain.high == doctest::Approx(1));
  CHECK(texts(plain) == std::vector<std::string>{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"});
  CHECK(plain.fraction(0.25) == doctest::Approx(0.25));
  const Axis epochs = axis_for(std::vector<double>{1, 2, 3}, {.whole = true});
  CHECK(texts(epochs) == std::vector<std::string>{"1", "2", "3"});
  const Axis log = axis_for(std::vector<double>{0.001, 1000, 0, -5}, {.log = true});
  CHECK(log.log);
  CHECK(texts(log) ==
        std::vector<std::string>{"0.001", "0.01", "0.1", "1", "10", "100", "1000"});
  CHECK(log.fraction(1) == doctest::Approx(0.5));
  CHECK_FALSE(axis_for(std::vector<double>{0, 0}, {.log = true}).log);  // nothing positive
  const Axis one = axis_for(std::vector<double>{5});
  CHECK(one.low < 5);
  CHECK(one.high > 5);
  const Axis none = axis_for({});
  CHECK(none.low == 0);
  CHECK(none.high == 1);
  const Axis bars = axis_for(std::vector<double>{0, 90}, {.from_zero = true});
  CHECK(bars.low == 0);
  CHECK(bars.high == 100);
  CHECK(number_text(1234567) == "1.235M");
  CHECK(number_text(2e-5) == "2e-5");
  CHECK(number_text(0.25) == "0.25");
  CHECK(number_text(NAN) == "–");
}

TEST_CASE("a line plot: points where the axes say, gaps, the best marked") {
  const LinePlot plot{.title = "t", .x_label = "x", .y_label = "y",
                      .series = {{.name = "a", .x = {0, 1, 2, 4}, .y = {0, 10, NAN, 5}, .best = 1}},
                      .marks = {{2, "resumed"}, {9, "beyond"}}};
  const Drawing drawing = draw(plot);
  REQUIRE(drawing.paths.size() == 1);
  double x[3], y[3];
  REQUIRE(std::sscanf(drawing.paths[0].d.c_str(), "M%lf %lfL%lf %lfM%lf %lf", x, y, x + 1, y + 1,
                      x + 2, y + 2) == 6);
  CHECK(x[1] - x[0] == doctest::Approx((x[2] - x[0]) / 4).epsilon(0.01));
  CHECK(y[0] - y[2] == doctest::Approx((y[0] - y[1]) / 2).epsilon(0.01));
  CHECK(y[1] < y[0]);  // up is up
  const auto best = std::ranges::find_if(
      drawing.circles, [](const Drawing::Circle& circle) { return circle.ink.ends_with("best"); });
  REQUIRE(best != drawing.circles.end());
  CHECK(best->x == doctest::Approx(x[1]).epsilon(0.01));
  CHECK(best->y == doctest::Approx(y[1]).epsilon(0.01));
  CHECK(std::ranges::count(drawing.lines, "mark", &Drawing::Line::ink) == 1);
  CHECK(drawing.keys.size() == 2);
  CHECK(drawing.description == "a: 3 points, first 0, last 5, between 0 and 10. ");
  for (const Drawing::Text& text : drawing.texts) {
    CHECK((text.x >= 0 && text.x <= drawing.width && text.y >= 0 && text.y <= drawing.height));
  }
  CHECK_THROWS_AS(draw(LinePlot{.title = "", .x_label = "", .y_label = "",
                                .series = {{.name = "a", .x = {1}, .y = {}}}}), Error);
  CHECK(draw(LinePlot{.title = "", .x_label = "", .y_label = ""}).paths.empty());
}

TEST_CASE("bars are as long as their values, negative ones to the other side") {
  const BarPlot plot{.title = "t", .x_label = "", .y_label = "", .labels = {"a", "b", "c"},
                     .groups = {{"", {10, -5, 0}}}, .lying = true};
  const Drawing lying = draw(plot);
  REQUIRE(lying.rects.size() == 3);
  CHECK(lying.rects[0].width == doctest::Approx(2 * lying.rects[1].width));
  CHECK(lying.rects[0].x == doctest::Approx(lying.rects[1].x + lying.rects[1].width));
  BarPlot upright = plot;
  upright.lying = false;
  upright.groups = {{"train", {1, 2, 4}}, {"val", {4, 2, NAN}}};
  const Drawing drawing = draw(upright);
  REQUIRE(drawing.rects.size() == 6);
  CHECK(drawing.rects[2].height == doctest::Approx(4 * drawing.rects[0].height));
  CHECK(drawing.rects[5].height == 0);
  CHECK(drawing.keys.size() == 2);
  CHECK_THROWS_AS(draw(BarPlot{.title = "", .x_label = "", .y_label = "", .labels = {"a"},
                               .groups = {{"", {1, 2}}}}), Error);
}

TEST_CASE("thinning and smoothing") {
  Series series{.name = "", .x = {}, .y = {}};
  for (int i = 0; i < 1000; ++i) {
    series.x.push_back(i);
    series.y.push_back(i % 2);
  }
  const Series thin = thinned(series, 100);
  REQUIRE(thin.x.size() == 100);
  CHECK(thin.x[0] == doctest::Approx(4.5));
  CHECK(thin.y[50] == doctest::Approx(0.5));
  CHECK(thinned(series, 2000).x.size() == 1000);
  const std::vector<double> same = smoothed(std::vector<double>{3, 3, NAN, 3}, 10);
  CHECK(same[1] == doctest::Approx(3));  // no pull towards 0 at the start
  CHECK(std::isnan(same[2]));
  CHECK(same[3] == doctest::Approx(3));
}

TEST_CASE("pictures take no more than their budget; the rest is counted") {
  Document document("data.html");
  const Slots mosaic = document.root().section("MOSAIC");
  PictureBudget budget(2000);
  const std::vector<uint8_t> jpeg(600, 7);  // 800 characters and what surrounds them
  CHECK(budget.add(mosaic, "PICTURE", jpeg, "a").has_value());
  CHECK(budget.add(mosaic, "PICTURE", jpeg, "b").has_value());
  CHECK_FALSE(budget.add(mosaic, "PICTURE", jpeg, "c").has_value());
  CHECK(budget.added() == 2);
  CHECK(budget.left_out() == 1);
  CHECK(count(document.html(), "<img ") == 2);
}

TEST_CASE("a page of 10,000 pictures and 1,000 classes has at most 8 MB") {
  ReportInput input = hostile_input();
  DataSummary data = hostile_data();
  for (int i = 0; i < 1000; ++i) {
    input.runs[0].best->classes.push_back({.name = fmt::format("class number {}", i)});
  }
  data.mosaic.assign(10'000, {std::vector<uint8_t>(4000, 1), "a label"});
  input.data = &data;
  const std::string page = report_page(input);
  CHECK(page.size() <= 8'000'000);
  CHECK(page.size() > 4'000'000);
  CHECK(page.find("Left out to keep this file below 8 MB: ") != std::string::npos);
}
