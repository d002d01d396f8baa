package web

import (
	"slices"
	"time"

	"github.com/usher-auth/usher/internal/audit"
)

const (
	// chartSpan is the time that a chart shows.
	chartSpan = 24 * time.Hour
	// chartStep is the time of one bar. The store counts no finer than that.
	chartStep = 15 * time.Minute
	// chartBars is the number of bars. The last is the current quarter of an
	// hour.
	chartBars = int(chartSpan / chartStep)
	// markEvery is the number of bars between two marks on the axis. The
	// stylesheet has a column for the label of each mark.
	markEvery = chartBars / 4
)

// The size of a panel's drawing, in its own units. Browsers stretch it to the
// available width.
const (
	chartWidth  = 10 * chartBars
	chartHeight = 100
)

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

// chart shows the last day by quarter of an hour.
type chart struct {
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
func newChart(now time.Time, counts []audit.Count) chart {
	first := now.UTC().Truncate(chartStep).Add(chartStep - chartSpan)
	var n [len(chartSeries)][chartBars]int64
	for _, c := range counts {
		i := int(c.Quarter.Sub(first) / chartStep)
		if c.Quarter.Before(first) || i >= chartBars {
			continue
		}
		for s := range chartSeries {
			if slices.Contains(chartSeries[s].of, c.What) {
				n[s][i] += c.N
			}
		}
	}
	drawn := chart{Width: chartWidth, Height: chartHeight}
	for s := range chartSeries {
		drawn.Panels = append(drawn.Panels, newPanel(chartSeries[s], first, n[s][:]))
	}
	for i := range chartBars {
		at := first.Add(time.Duration(i) * chartStep)
		if i%markEvery == 0 {
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

func newPanel(s series, first time.Time, n []int64) panel {
	p := panel{Name: s.name, Class: s.class, Most: slices.Max(n)}
	var most time.Time
	for i, count := range n {
		if count == 0 {
			continue
		}
		p.Total += count
		at := first.Add(time.Duration(i) * chartStep)
		if count == p.Most {
			most = at
		}
		height := max(2, int(count*chartHeight/p.Most)) // a count of one stays visible
		p.Bars = append(p.Bars, bar{10*i + 1, chartHeight - height, 8, height, count, at})
	}
	p.Text = say("%s in the last day: none.", say(p.Name))
	if p.Total > 0 {
		p.Text = say("%s in the last day: %s in all, at most %s in a quarter of an hour, last so at %s UTC.",
			say(p.Name), grouped(p.Total), grouped(p.Most), most.Format("15:04"))
	}
	return p
}
