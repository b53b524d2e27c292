#include "app/report/run_history.h"

#include <algorithm>
#include <cmath>

#include "app/report/json_members.h"
#include "core/error.h"
#include "data/file.h"
#include "data/formats/csv_text.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr int64_t kMostBytes = int64_t{1} << 30;

// A file's problems: the first few lines, then their number.
class Problems {
 public:
  Problems(std::string file, RunHistory& history) : file_(std::move(file)), history_(history) {}
  ~Problems() {
    if (count_ > kShown) {
      history_.problems.push_back(fmt::format("{}: {} lines like these in all", file_, count_));
    }
  }
  Problems(const Problems&) = delete;
  Problems& operator=(const Problems&) = delete;

  void add(int64_t line, std::string_view what) {
    if (++count_ <= kShown) {
      history_.problems.push_back(fmt::format("{}:{}: {}", file_, line, what));
    }
  }

 private:
  static constexpr int64_t kShown = 3;
  std::string file_;
  RunHistory& history_;
  int64_t count_ = 0;
};

// A row of results.csv by the names of its columns.
class CsvRow {
 public:
  CsvRow(const std::vector<std::string>& names, const std::vector<std::string>& fields)
      : names_(names), fields_(fields) {}

  template <class T>
  std::optional<T> number(std::string_view name) const {
    return number_of<T>(text(name));
  }
  std::string text(std::string_view name) const {
    for (size_t i = 0; i < std::min(names_.size(), fields_.size()); ++i) {
      if (names_[i] == name) {
        return fields_[i];
      }
    }
    return "";
  }

 private:
  const std::vector<std::string>& names_;
  const std::vector<std::string>& fields_;
};

bool is_common(std::string_view column) {
  constexpr std::string_view kCommon[] = {"epoch",   "step",    "loss", "lr",     "metric",
                                          "val_raw", "val_ema", "best", "seconds"};
  return std::ranges::find(kCommon, column) != std::end(kCommon);
}

// nullopt unless the row has what every row has.
std::optional<RunHistory::Epoch> epoch_of(const CsvRow& row,
                                          const std::vector<std::string>& names) {
  const auto epoch = row.number<int64_t>("epoch"), step = row.number<int64_t>("step");
  const auto loss = row.number<double>("loss"), lr = row.number<double>("lr");
  if (!epoch || !step || !loss || !lr) {
    return std::nullopt;
  }
  RunHistory::Epoch result{.epoch = *epoch, .step = *step, .loss = *loss, .lr = *lr,
                           .seconds = row.number<double>("seconds").value_or(0),
                           .raw = row.number<double>("val_raw"),
                           .average = row.number<double>("val_ema"),
                           .best = row.number<double>("best"), .zero_shot = {}};
  if (result.best && *result.best < 0) {
    result.best.reset();  // none yet
  }
  for (const std::string& name : names) {
    if (const auto value = row.number<double>(name); value && !is_common(name)) {
      result.zero_shot[name] = *value;
    }
  }
  return result;
}

void read_results(const RunFolder& folder, RunHistory& history) try {
  const std::string file = folder.results().filename().string();
  const std::string text = read_text_file(folder.results(), kMostBytes);
  Problems problems(file, history);
  CsvReader reader(text, file);
  std::vector<std::string> names, fields;
  int64_t line = 0;
  reader.next(names, line);
  while (reader.next(fields, line)) {
    const CsvRow row(names, fields);
    const auto epoch = fields.size() == names.size() ? epoch_of(row, names) : std::nullopt;
    if (epoch) {
      history.epochs.push_back(*epoch);
      history.metric = row.text("metric");
    } else {
      problems.add(line, "not a complete row");
    }
  }
} catch (const DataError& error) {
  history.problems.push_back(error.what());
}

void take_event(const rapidjson::Value& event, RunHistory& history) {
  const auto number = [&](const char* name) { return number_in(event, name).value_or(NAN); };
  const auto text = [&](const char* name) { return text_in(event, name).value_or(""); };
  const std::string kind = text("event");
  const double at = number("step");
  const int64_t step = at >= 0 && at < 9e15 ? static_cast<int64_t>(at) : 0;
  if (kind == "start") {
    history.starts.push_back(step);
  } else if (kind == "step") {
    history.steps.push_back({.step = step, .loss = number("loss"), .lr = number("lr"),
                             .gradient_norm = number("gradient_norm"),
                             .images_per_second = number("images_per_second")});
  } else if (kind == "message" || kind == "warning") {
    history.notes.push_back({step, kind == "warning", text("text")});
  }
  history.last_time = text("time");
}

void read_events(const RunFolder& folder, RunHistory& history) try {
  const std::string text = read_text_file(folder.events(), kMostBytes);
  Problems problems(folder.events().filename().string(), history);
  for_filled_lines(text, [&](std::string_view line, int64_t number) {
    rapidjson::Document event;
    event.Parse<rapidjson::kParseIterativeFlag>(line.data(), line.size());
    if (event.HasParseError() || !event.IsObject()) {
      problems.add(number, "not a JSON object");
    } else {
      take_event(event, history);
    }
  });
} catch (const DataError& error) {
  history.problems.push_back(error.what());
}

}  // namespace

double RunHistory::seconds() const {
  double sum = 0;
  for (const Epoch& epoch : epochs) {
    sum += epoch.seconds;
  }
  return sum;
}

RunHistory read_history(const RunFolder& folder) {
  RunHistory history;
  read_results(folder, history);
  read_events(folder, history);
  return history;
}

}  // namespace mld
