package localaws

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

// node is an XML element, enough of one for what AWS sends: text or children,
// no mixture, no namespaces but the root's.
type node struct {
	name     string
	attrs    []xml.Attr
	text     string
	children []*node
}

// leaf is an element that holds text.
func leaf(name string, text any) *node { return &node{name: name, text: fmt.Sprint(text)} }

// branch is an element that holds others; nil ones are left out.
func branch(name string, children ...*node) *node {
	n := &node{name: name}
	n.add(children...)
	return n
}

// optional is a leaf, or nothing if the text is empty.
func optional(name, text string) *node {
	if text == "" {
		return nil
	}
	return leaf(name, text)
}

func (n *node) add(children ...*node) {
	for _, c := range children {
		if c != nil {
			n.children = append(n.children, c)
		}
	}
}

// child returns the first child of that name, or nil.
func (n *node) child(name string) *node {
	if n == nil {
		return nil
	}
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// value is the text of the first child of that name, or "".
func (n *node) value(name string) string {
	if c := n.child(name); c != nil {
		return c.text
	}
	return ""
}

// set gives the child of that name this text, and adds it if there is none.
func (n *node) set(name string, text any) {
	if c := n.child(name); c != nil {
		c.text, c.children = fmt.Sprint(text), nil
		return
	}
	n.add(leaf(name, text))
}

// every returns all elements of that name, at any depth, the root included.
func (n *node) every(name string) []*node {
	if n == nil {
		return nil
	}
	var found []*node
	if n.name == name {
		found = append(found, n)
	}
	for _, c := range n.children {
		found = append(found, c.every(name)...)
	}
	return found
}

func parseXML(data []byte) (*node, error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	var open []*node
	var root *node
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			if root == nil || len(open) > 0 {
				return nil, errors.New("parse xml: it ends too early")
			}
			return root, nil
		}
		if err != nil {
			return nil, fmt.Errorf("parse xml: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			n := &node{name: t.Name.Local, attrs: append([]xml.Attr(nil), t.Attr...)}
			if len(open) > 0 {
				open[len(open)-1].add(n)
			} else {
				root = n
			}
			open = append(open, n)
		case xml.EndElement:
			if len(open) == 0 {
				return nil, fmt.Errorf("parse xml: %s ends and never began", t.Name.Local)
			}
			top := open[len(open)-1]
			if len(top.children) > 0 {
				top.text = "" // white space between elements
			}
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(t)
			}
		}
	}
}

func (n *node) encode() []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	n.write(&b)
	return b.Bytes()
}

func (n *node) write(b *bytes.Buffer) {
	b.WriteString("<" + n.name)
	for _, a := range n.attrs {
		name := a.Name.Local
		if a.Name.Space != "" {
			name = a.Name.Space + ":" + name
		}
		b.WriteString(" " + name + `="`)
		_ = xml.EscapeText(b, []byte(a.Value)) // a buffer takes everything
		b.WriteString(`"`)
	}
	b.WriteString(">")
	_ = xml.EscapeText(b, []byte(n.text)) // a buffer takes everything
	for _, c := range n.children {
		c.write(b)
	}
	b.WriteString("</" + n.name + ">")
}
