// Every config key with its value, origin and meaning.
#include "app/report/section.h"
#include "train/config_keys.h"

namespace mld {

static void fill_config(const ReportInput& input, PictureBudget&, Slots slots) {
  const LoadedConfig& run = input.run().config;
  for (const Key& key : config_keys()) {
    Slots row = slots.section("KEY");
    const auto origin = run.origins.find(key.full_name());
    row.set("NAME", key.full_name());
    row.set_name("VALUE", to_toml_value(key.get(run.config)));
    row.set("ORIGIN", origin == run.origins.end() ? kDefault : origin->second);
    row.set("MEANING", key.meaning);
  }
  for (const RunHistory::Note& note : input.run().history.notes) {
    if (note.text.starts_with("mltrain ")) {
      slots.show("ENVIRONMENT", "TEXT",
                fmt::format("From update {}: {}", note.step, note.text));
    }
  }
}

const ReportSection config_section{"config", "Config and environment", "config.html",
                                   [](const ReportInput& input) { return !input.several(); },
                                   fill_config};

}  // namespace mld
