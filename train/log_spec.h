// Config section [log]: the logs of a run for other programs.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace mld {

// Something that not every build can do: done where it can be, refused where it cannot, not done.
enum class Wanted { automatic, on, off };
constexpr std::array<std::string_view, 3> words_of(Wanted) { return {"auto", "on", "off"}; }

struct LogSpec {
  Wanted tensorboard = Wanted::automatic;
  int64_t pr_curves = 20;  // classes
  std::string mlflow;      // the store's folder; "": none
  std::string mlflow_experiment = "mldecoder";
};

}  // namespace mld
