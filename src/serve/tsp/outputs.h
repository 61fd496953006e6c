#pragma once
// The outputs that the server offers, and where each comes from. A new output is a row in
// outputs.cc.
//
// Threads: immutable.

#include <span>
#include <string_view>

namespace vs::serve::tsp {

struct Output {
  std::string_view id;
  std::string_view name;
  std::string_view description;
  std::string_view type;  ///< as the protocol names it
  std::string_view view;  ///< of time graphs: the view model's; of XY: the kind of series
  // Time graphs: the layer that is drawn, and the state of another layer that is drawn instead.
  std::string_view layer;
  std::string_view over;
  std::string_view over_state;
  std::string_view sql;  ///< of tables: the rows
};

/// In the order in which clients list them.
[[nodiscard]] std::span<const Output> outputs();
[[nodiscard]] const Output* find_output(std::string_view id);

struct StateStyle {
  std::string_view name;
  std::string_view colour;  ///< "#rrggbb"
};
/// Colours of the states by name (model/states.h).
[[nodiscard]] std::span<const StateStyle> state_styles();
/// The colour of a name that is no state: always the same for the same text.
[[nodiscard]] std::string_view colour_of(std::string_view name);

}  // namespace vs::serve::tsp
