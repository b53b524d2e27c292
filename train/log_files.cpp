#include "train/log_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <ctime>
#include <functional>
#include <optional>
#include <utility>

#include <fmt/chrono.h>
#include <rapidjson/document.h>

#include "data/file.h"
#include "data/json_writer.h"
#include "data/text.h"
#include "train/event_files.h"
#include "train/kept_scores.h"
#include "train/mlflow_sink.h"

namespace mld {
namespace {

constexpr int64_t kMaxLogBytes = int64_t{4} << 30;

std::string reason() { return std::strerror(errno); }

// Field i of a CSV line whose fields up to i are not quoted.
std::string_view csv_part(std::string_view line, size_t i) {
  for (; i > 0; --i) {
    const size_t comma = line.find(',');
    line.remove_prefix(comma == std::string_view::npos ? line.size() : comma + 1);
  }
  return line.substr(0, line.find_first_of(",\r"));
}

// "2024-05-01T12:34:56Z"
std::string timestamp() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

// A file that only grows, by whole lines; a kill leaves at most a part of the last one.
class LineSink : public LogSink {
 public:
  explicit LineSink(const std::filesystem::path& path)
      : path_(path), file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
    require<DataError>(file_.open(), "{}: cannot open for writing: {}", path.string(), reason());
  }

 protected:
  void append(std::string_view line) {
    if (!append_record(file_, std::string(line) + "\n")) {
      problem_ = fmt::format("{}: cannot be written: {}", path_.string(), reason());
    }
  }

 private:
  std::filesystem::path path_;
  FileDescriptor file_;
};

const char* name_of(Note::Kind kind) {
  return kind == Note::Kind::warning ? "warning" : "message";
}

class TextSink : public LineSink {
 public:
  using LineSink::LineSink;
  void note(const Note& note) override {
    append(timestamp() + " " + name_of(note.kind) + ": " + printable_lines(note.text));
  }
  void epoch(const EpochReport& report) override {
    append(timestamp() + " " + epoch_line(report));
  }
};

class CsvSink : public LineSink {
 public:
  explicit CsvSink(const std::filesystem::path& path)
      : LineSink(path), begun_(std::filesystem::file_size(path) > 0) {}
  void epoch(const EpochReport& report) override {
    const std::vector<NamedValue> zero_shot =
        report.zero_shot ? named_values(ZeroShotMetrics()) : std::vector<NamedValue>();
    if (!std::exchange(begun_, true)) {
      std::string header = "epoch,step,loss,lr,metric,val_raw,val_ema,best,seconds";
      for (const NamedValue& value : zero_shot) {
        header += fmt::format(",{}", value.key);
      }
      append(header);
    }
    const auto metric = [&](const std::optional<Evaluation>& evaluation) {
      return evaluation ? fmt::format("{:.8g}", evaluation->metric(report.metric)) : std::string();
    };
    std::string line = fmt::format("{},{},{:.8g},{:.8g},{},{},{},{:.8g},{:.1f}", report.epoch + 1,
                                   report.step, report.loss, report.lr, csv_field(report.metric),
                                   metric(report.raw), metric(report.average), report.best,
                                   report.seconds);
    const Evaluation* better = report.better();
    for (size_t i = 0; i < zero_shot.size(); ++i) {
      line += better != nullptr && better->zero_shot
                  ? fmt::format(",{:.8g}", named_values(*better->zero_shot)[i].value)
                  : ",";
    }
    append(line);
  }

 private:
  bool begun_;
};

class JsonSink : public LineSink {
 public:
  JsonSink(const std::filesystem::path& path, int64_t step) : LineSink(path) {
    event("start", step, [](JsonWriter&) {});
  }
  void note(const Note& note) override {
    event(name_of(note.kind), note.step,
          [&](JsonWriter& json) { json.member("text", note.text); });
  }
  void step(const StepReport& report) override {
    if (report.kept) {
      event("step", report.step, [&](JsonWriter& json) {
        write_epoch(report, json);
        json.member("gradient_norm", report.gradient_norm);
        json.member("images_per_second", report.images_per_second);
      });
    }
  }
  void epoch(const EpochReport& report) override {
    event("epoch", report.step, [&](JsonWriter& json) {
      write_epoch(report, json);
      json.member("metric", report.metric).member("validated", report.raw.has_value());
      if (report.raw) {
        json.member("raw", report.raw->metric(report.metric));
      }
      if (report.average) {
        json.member("ema", report.average->metric(report.metric));
      }
      if (const Evaluation* better = report.better(); better != nullptr && better->zero_shot) {
        for (const NamedValue& value : named_values(*better->zero_shot)) {
          json.member(value.key, value.value);
        }
      }
      json.member("best", report.best).member("seconds", report.seconds);
    });
  }

 private:
  // Of an epoch, or of a step in it.
  static void write_epoch(const auto& report, JsonWriter& json) {
    json.member("epoch", report.epoch + 1).member("loss", report.loss).member("lr", report.lr);
  }
  void event(const char* kind, int64_t step, const auto& write_more) {
    JsonWriter json;
    json.object().member("event", kind).member("step", step);
    write_more(json);
    append(json.member("time", timestamp()).end().text());
  }
};

// val/: the evaluation of the best weights so far.
class BestEvaluationSink : public LogSink {
 public:
  BestEvaluationSink(RunFolder run, int64_t step) : run_(std::move(run)) {
    make_writable_folder(run_.val());
    cut_evaluation(run_, step);
  }
  void epoch(const EpochReport& report) override {
    if (report.improved) {
      const Evaluation& best = *report.better();
      const ScoredWeights weights{report.step, report.average_is_better ? "ema" : "raw"};
      try {
        write_file_atomically(run_.metrics(), evaluation_json(best, &weights) + "\n");
        write_file_atomically(run_.per_class(), per_class_csv(best));
        if (best.scores) {
          save_scores(run_.scores("val"), *best.scores, weights);
        } else {  // too many; the file, if there is one, is of earlier weights
          std::error_code gone;
          std::filesystem::remove(run_.scores("val"), gone);
        }
      } catch (const Error& error) {
        problem_ = error.what();
      }
    }
  }

 private:
  RunFolder run_;
};

}  // namespace

std::vector<std::unique_ptr<LogSink>> file_sinks(const RunFolder& folder, int64_t step,
                                                 const Config& config) {
  cut_csv(folder.results(), step);
  cut_jsonl(folder.events(), step);
  cut_event_files(folder, step);
  std::vector<std::unique_ptr<LogSink>> sinks;
  sinks.push_back(std::make_unique<TextSink>(folder.text_log()));
  sinks.push_back(std::make_unique<CsvSink>(folder.results()));
  sinks.push_back(std::make_unique<JsonSink>(folder.events(), step));
  sinks.push_back(std::make_unique<BestEvaluationSink>(folder, step));
  if (writes_event_files(config.log)) {
    sinks.push_back(event_sink(folder, step));
  }
  if (!config.log.mlflow.empty()) {
    sinks.push_back(mlflow_sink(folder, step, config));
  }
  return sinks;
}

void cut_lines(const std::filesystem::path& path,
               const std::function<bool(std::string_view line)>& keep) {
  if (!std::filesystem::exists(path)) {
    return;
  }
  const std::string text = read_text_file(path, kMaxLogBytes);
  size_t kept = 0;
  for (;;) {
    const size_t end = text.find('\n', kept);
    if (end == std::string::npos || !keep(std::string_view(text).substr(kept, end - kept))) {
      break;
    }
    kept = end + 1;
  }
  const bool cut = kept == text.size() || ::truncate(path.c_str(), static_cast<off_t>(kept)) == 0;
  require<DataError>(cut, "{}: cannot be cut back to the last save: {}", path.string(), reason());
}

void cut_evaluation(const RunFolder& folder, int64_t step) {
  constexpr int64_t kMostBytes = int64_t{256} << 20;
  if (!std::filesystem::exists(folder.metrics())) {
    return;
  }
  rapidjson::Document json;
  const std::string text = read_text_file(folder.metrics(), kMostBytes);
  json.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
  if (json.HasParseError() || !json.IsObject()) {
    return;  // whoever reads it says so
  }
  const auto measured = json.FindMember("step");
  if (measured != json.MemberEnd() && measured->value.IsInt64() &&
      measured->value.GetInt64() > step) {
    for (const auto& path : {folder.metrics(), folder.per_class(), folder.scores("val")}) {
      std::error_code failed;  // it will be replaced
      std::filesystem::remove(path, failed);
    }
  }
}

void cut_csv(const std::filesystem::path& path, int64_t step) {
  std::optional<size_t> column;
  cut_lines(path, [&](std::string_view line) {
    if (!column) {  // the header
      for (size_t i = 0; i <= static_cast<size_t>(std::count(line.begin(), line.end(), ',')); ++i) {
        if (csv_part(line, i) == "step") {
          column = i;
        }
      }
      require<DataError>(column.has_value(), "{}: no column named step", path.string());
      return true;
    }
    const auto value = number_of<int64_t>(csv_part(line, *column));
    return value && *value <= step;
  });
}

void cut_jsonl(const std::filesystem::path& path, int64_t step) {
  cut_lines(path, [step](std::string_view line) {
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(line.data(), line.size());
    if (document.HasParseError() || !document.IsObject()) {
      return false;
    }
    const auto member = document.FindMember("step");
    return member == document.MemberEnd() ||
           (member->value.IsInt64() && member->value.GetInt64() <= step);
  });
}

}  // namespace mld
