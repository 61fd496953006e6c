#pragma once
// EventCopies: events with their texts, kept beyond the run of a cursor that they came from.
//
// Ownership: holds copies of all. Addresses stay valid until clear(). Threads: one at a time.
// Memory: what reserve() took, and a text that has no room alone; nothing is allocated while
// events are added that fit.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "model/event.h"

namespace vs::session {

class EventCopies {
 public:
  static constexpr std::size_t kTextBytes = 24;  ///< per event; when they are used up it is full

  /// Room for so many events. Once, before anything else.
  void reserve(std::size_t events);
  void clear();
  /// False when there is no room for one more event, or for its texts; a first event always fits.
  [[nodiscard]] bool add(const model::Event& event);

  [[nodiscard]] std::span<const model::Event> events() const { return events_; }
  [[nodiscard]] std::size_t size() const { return events_.size(); }

 private:
  void copy_texts(model::Event& to, std::size_t size);

  std::vector<model::Event> events_;
  std::string text_;  ///< never grows beyond what it reserved
  std::vector<std::string> long_texts_;
  std::size_t most_ = 0;
};

}  // namespace vs::session
