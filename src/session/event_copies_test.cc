#include "session/event_copies.h"

#include <gtest/gtest.h>

#include <string>

namespace vs::session {
namespace {

model::Event event_of(std::string_view first, std::string_view second = {}) {
  model::Event event;
  event.texts = {first, second};
  return event;
}

TEST(EventCopies, OutliveWhatTheyWereCopiedFrom) {
  EventCopies copies;
  copies.reserve(3);
  {
    std::string text = "bash";
    model::Event event = event_of(text, "sh");
    event.own = OwnTime{7};
    EXPECT_TRUE(copies.add(event));
    text = "gone";
  }
  ASSERT_EQ(copies.size(), 1U);
  EXPECT_EQ(copies.events()[0].own.value, 7);
  EXPECT_EQ(copies.events()[0].texts[0], "bash");
  EXPECT_EQ(copies.events()[0].texts[1], "sh");
}

TEST(EventCopies, EndWithTheirRoomForEvents) {
  EventCopies copies;
  copies.reserve(2);
  EXPECT_TRUE(copies.add({}));
  EXPECT_TRUE(copies.add({}));
  EXPECT_FALSE(copies.add({}));
  EXPECT_EQ(copies.size(), 2U);
  copies.clear();
  EXPECT_TRUE(copies.add({}));
}

TEST(EventCopies, EndWithTheirRoomForTexts) {
  EventCopies copies;
  copies.reserve(4);
  const std::string most(4 * EventCopies::kTextBytes, 'x');
  EXPECT_TRUE(copies.add(event_of(most)));
  EXPECT_TRUE(copies.add(event_of("")));
  EXPECT_FALSE(copies.add(event_of("y")));
  EXPECT_EQ(copies.events()[0].texts[0], most);
}

TEST(EventCopies, TakeAFirstEventWhateverItsTexts) {
  EventCopies copies;
  copies.reserve(2);
  const std::string one(100'000, 'a');
  const std::string two(200'000, 'b');
  EXPECT_TRUE(copies.add(event_of(one, two)));
  EXPECT_EQ(copies.events()[0].texts[0], one);
  EXPECT_EQ(copies.events()[0].texts[1], two);
  copies.clear();
  EXPECT_TRUE(copies.add(event_of("short")));
  EXPECT_FALSE(copies.add(event_of(one)));  // not behind another one
}

TEST(EventCopies, StayWhereTheyAre) {
  EventCopies copies;
  copies.reserve(1000);
  std::vector<const model::Event*> places;
  for (int i = 0; i < 1000; ++i) {
    const std::string text = std::to_string(i);
    ASSERT_TRUE(copies.add(event_of(text)));
    places.push_back(&copies.events().back());
  }
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(places[static_cast<std::size_t>(i)], &copies.events()[static_cast<std::size_t>(i)]);
    EXPECT_EQ(places[static_cast<std::size_t>(i)]->texts[0], std::to_string(i));
  }
}

}  // namespace
}  // namespace vs::session
