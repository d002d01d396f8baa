package web

import (
	"slices"
	"time"

	"github.com/usher-auth/usher/internal/audit"
)

// chartOf is the time that a chart shows, and that of one of its bars. The store
// counts no finer than a quarter of an hour. The last bar is the current one.
type chartOf struct {
	span, step time.Duration
	// some and none describe the bars in words.
	some, none string
}

var (
	dayChart = chartOf{
		24 * time.Hour, 15 * time.Minute,
		"%s in the last day: %s in all, at most %s in a quarter of an hour, last so at %s UTC.", "%s in the last day: none.",
	}
	weekChart = chartOf{
		7 * 24 * time.Hour, 2 * time.Hour,
		"%s in the last week: %s in all, at most %s in two hours, last so at %s UTC.", "%s in the last week: none.",
	}
)

// bars is the number of bars.
func (c chartOf) bars() int { return int(c.span / c.step) }

// markEvery is the number of bars between two marks on the axis. The stylesheet has a
// column for the label of each mark.
func (c chartOf) markEvery() int { return c.bars() / 4 }

// first is when the first bar begins.
func (c chartOf) first(now time.Time) time.Time {
	return now.UTC().Truncate(c.step).Add(c.step - c.span)
}

// chartHeight is the height of a panel's drawing, in its own units. Browsers stretch
// it to the available width.
const chartHeight = 100

// series is a sum of counters, by their names in the store.
type series struct {
	name, class string
	of          []string
}

// chartSeries are the panels of the chart. Each has its own scale, because one
// may be a thousand times as high as another.
var chartSeries = [...]series{
	{"Sign-ins", "sign-ins", []string{
		string(audit.SignIn), string(audit.SessionStarted), string(audit.PINLinked),
	}},
	{"Refusals", "refusals", []string{string(audit.SignInRefused), string(audit.PINRefused)}},
	{"Token checks", "checks", []string{audit.TokenChecks}},
}

// chart shows the last day by quarter of an hour, or the last week by two hours.
type chart struct {
	Week   bool
	Panels []panel
	// Marks are the lines at every sixth hour, from the first bar on.
	Marks []mark
	// Rows are the quarters of an hour with any count, the newest first.
	Rows          []chartRow
	Width, Height int
}

// panel has the bars of one series.
type panel struct {
	Name, Class string
	Total, Most int64
	MostAt      time.Time // when there were most, the last time
	Bars        []bar
	// Text describes the bars in words.
	Text phrase
}

// bar is a quarter of an hour with a count above zero.
type bar struct {
	X, Y, Width, Height int
	N                   int64
	At                  time.Time
}

// mark is a time on the axis.
type mark struct {
	X  int
	At time.Time
}

// chartRow is a quarter of an hour in the table below the chart, which has the
// same numbers.
type chartRow struct {
	At time.Time
	N  [len(chartSeries)]int64
}

// newChart draws the counts of the day before now. It leaves out older counts,
// and those that belong to no panel.
func newChart(now time.Time, counts []audit.Count) chart { return dayChart.draw(now, counts) }

func (c chartOf) draw(now time.Time, counts []audit.Count) chart {
	first, bars := c.first(now), c.bars()
	var n [len(chartSeries)][]int64
	for s := range n {
		n[s] = make([]int64, bars)
	}
	for _, count := range counts {
		i := int(count.Quarter.Sub(first) / c.step)
		if count.Quarter.Before(first) || i >= bars {
			continue
		}
		for s := range chartSeries {
			if slices.Contains(chartSeries[s].of, count.What) {
				n[s][i] += count.N
			}
		}
	}
	drawn := chart{Week: c.span > dayChart.span, Width: 10 * bars, Height: chartHeight}
	for s := range chartSeries {
		drawn.Panels = append(drawn.Panels, c.panel(chartSeries[s], first, n[s]))
	}
	for i := range bars {
		at := first.Add(time.Duration(i) * c.step)
		if i%c.markEvery() == 0 {
			drawn.Marks = append(drawn.Marks, mark{10 * i, at})
		}
		row := chartRow{At: at}
		for s := range n {
			row.N[s] = n[s][i]
		}
		if row.N != [len(chartSeries)]int64{} {
			drawn.Rows = append(drawn.Rows, row)
		}
	}
	slices.Reverse(drawn.Rows)
	return drawn
}

func (c chartOf) panel(s series, first time.Time, n []int64) panel {
	p := panel{Name: s.name, Class: s.class, Most: slices.Max(n)}
	for i, count := range n {
		if count == 0 {
			continue
		}
		p.Total += count
		at := first.Add(time.Duration(i) * c.step)
		if count == p.Most {
			p.MostAt = at
		}
		height := max(2, int(count*chartHeight/p.Most)) // a count of one stays visible
		p.Bars = append(p.Bars, bar{10*i + 1, chartHeight - height, 8, height, count, at})
	}
	p.Text = say(c.none, say(p.Name))
	if p.Total > 0 {
		p.Text = say(c.some, say(p.Name), amount(p.Total), amount(p.Most), p.MostAt.Format("15:04"))
	}
	return p
}
