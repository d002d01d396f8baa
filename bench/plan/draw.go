package main

import (
	"bytes"
	"image/color"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/usher-auth/usher/bench/model"
)

// Colours with enough contrast on both white and black.
var (
	ink    = color.RGBA{0x80, 0x80, 0x80, 0xff}
	blue   = color.RGBA{0x2f, 0x81, 0xf7, 0xff}
	orange = color.RGBA{0xd9, 0x6b, 0x0b, 0xff}
	green  = color.RGBA{0x2d, 0x96, 0x4a, 0xff}
	violet = color.RGBA{0xa2, 0x5d, 0xdc, 0xff}
)

// newPlot is an empty plot without a background.
func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(6)
	for _, style := range []*draw.TextStyle{
		&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle,
	} {
		style.Color = ink
		style.Font.Variant = font.Variant("Sans")
	}
	for _, line := range []*draw.LineStyle{&p.X.LineStyle, &p.Y.LineStyle, &p.X.Tick.LineStyle, &p.Y.Tick.LineStyle} {
		line.Color = ink
	}
	p.Legend.Top, p.Legend.Left = true, true
	return p
}

// line adds a named line. A dashed line means that the values are not measured.
func line(p *plot.Plot, name string, c color.Color, dashed bool, points plotter.XYs) error {
	l, err := plotter.NewLine(points)
	if err != nil {
		return err
	}
	l.Color, l.Width = c, vg.Points(1.6)
	if dashed {
		l.Dashes = []vg.Length{vg.Points(5), vg.Points(3)}
	}
	p.Add(l)
	if name != "" {
		p.Legend.Add(name, l)
	}
	return nil
}

// save writes the plot.
func save(p *plot.Plot, file string) error {
	c := vgsvg.New(16*vg.Centimeter, 9*vg.Centimeter)
	p.Draw(draw.New(c))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

// drawLoad draws how full each resource of three nodes is.
func drawLoad(in model.Inputs, m model.Machines, file string) error {
	const nodes = 3
	p := newPlot("Three nodes, 10 million accounts, 50 million tokens", "token checks a second", "used, %")
	p.Y.Max, p.X.Min, p.Y.Min = 150, 0, 0
	for _, r := range []struct {
		name string
		c    color.Color
	}{{model.NodeCPU, blue}, {model.DatabaseCPU, orange}, {model.Writer, green}, {model.Memory, violet}} {
		var points plotter.XYs
		for checks := 500.0; checks <= 100_000; checks += 500 {
			d := demand
			d.Checks = checks
			d.SignIns, d.Writes = demand.SignIns*checks/demand.Checks, demand.Writes*checks/demand.Checks
			used := 100 * model.Of(in, m, d, nodes).Parts()[r.name]
			if used > p.Y.Max {
				break
			}
			points = append(points, plotter.XY{X: checks, Y: used})
		}
		if err := line(p, r.name, r.c, false, points); err != nil {
			return err
		}
	}
	p.X.Max, p.Y.Max = 100_000, 150
	if err := line(p, "", ink, true, plotter.XYs{{X: 0, Y: 100 * model.Full}, {X: p.X.Max, Y: 100 * model.Full}}); err != nil {
		return err
	}
	return save(p, file)
}

// drawNodes draws how many checks nodes answer before something is full.
func drawNodes(in model.Inputs, m, larger model.Machines, file string) error {
	p := newPlot("Token checks until something is 70 % full", "nodes", "checks a second")
	p.Y.Min = 0
	for _, c := range []struct {
		name string
		c    color.Color
		m    model.Machines
	}{
		{"as it is", blue, m},
		{"all active tokens in memory", orange, larger},
	} {
		var points plotter.XYs
		for n := 1.0; n <= 20; n++ {
			most, _ := model.Most(in, c.m, demand, n)
			points = append(points, plotter.XY{X: n, Y: most})
		}
		if err := line(p, c.name, c.c, false, points); err != nil {
			return err
		}
	}
	return save(p, file)
}
